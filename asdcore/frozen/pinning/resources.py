"""Find the checkpoints and modules that a portfolio reads; only those that the registry records can be frozen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asdcore.components.checkpoints import CHECKPOINT, resolved
from asdcore.components.named_files import modules_named, paths_named
from asdcore.contract.plugins import Component, installed
from asdcore.contract.source_code.folder_files import tree_files
from asdcore.errors import located
from asdcore.portfolio import Choice, Portfolio
from asdcore.resources.checkpoint_files import checkpoint_files
from asdcore.resources.entries import Resource
from asdcore.resources.registry import open_registry, resource_folder


@dataclass
class Pinned:
    """A registry entry in use: the folder its files lie in, their names, and the branches that read them."""

    entry: Resource
    folder: Path
    names: list[str]
    branches: set[str] = field(default_factory=set)
    whole: bool = False
    """Whether the folder itself is in use, so that a file that comes into it would be read."""

    @property
    def root(self) -> str:
        """The root of its files in subject names."""
        return f"resource/{self.entry.id}"

    @property
    def subjects(self) -> list[str]:
        """The subject names of its files."""
        return [f"{self.root}/{name}" for name in self.names]

    @property
    def is_elsewhere(self) -> bool:
        """Whether its files lie elsewhere than where the registry keeps them."""
        return self.folder.resolve() != resource_folder(self.entry.id).resolve()

    def as_json(self) -> dict[str, Any]:
        """Return its entry in the manifest."""
        keys = ("id", "title", "source", "revision", "licence", "plugin")
        allowed = dict(sorted(self.entry.allowed.items()))
        about = {key: getattr(self.entry, key) for key in keys} | {"allowed": allowed, "files": self.names}
        return {**about, "folder": True} if self.whole else about


def pinned_resources(plan: Portfolio) -> list[Pinned]:
    """Return the resources that a portfolio reads, by id.

    Raises ResourceError for a checkpoint that the registry does not record with source and hash.
    """
    registry = open_registry()
    resources: dict[str, Pinned] = {}
    for choice in plan.choices():
        with located(choice.where):
            for path, files in _files_named(choice):
                entry = registry.recorded(path, files)
                folder = path if path.is_dir() else path.parent
                names = [file.relative_to(folder).as_posix() for file in files]
                resource = resources.setdefault(entry.id, Pinned(entry, folder, [], whole=path.is_dir()))
                resource.names = sorted({*resource.names, *names})
                resource.branches.update(choice.branches)
    return [resources[identifier] for identifier in sorted(resources)]


def pinned_modules(plan: Portfolio) -> dict[str, list[str]]:
    """Return {plugin: the modules named in parameters of its components}, sorted."""
    modules: dict[str, set[str]] = {}
    for choice in plan.choices():
        if component := _component(choice):
            modules.setdefault(component.plugin, set()).update(
                name for _, name in modules_named(choice.named.parameters)
            )
    return {plugin: sorted(names) for plugin, names in modules.items()}


def _files_named(choice: Choice) -> Iterator[tuple[Path, list[Path]]]:
    """Yield what the parameters of a component name on disk: the file or folder, and all its files."""
    component = _component(choice)
    for key, path in paths_named(component, resolved(choice.named.parameters)):
        if key == CHECKPOINT:
            yield path, checkpoint_files(path, component)
        else:
            yield path, [file for _, file in tree_files(path)] if path.is_dir() else [path]


def _component(choice: Choice) -> Component | None:
    return installed().components(choice.kind).get(choice.named.name)
