"""The checkpoints that a portfolio reads: only what the registry records with source and hash can be frozen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asdcore.components import CHECKPOINT, checkpoint_files, resolved
from asdcore.contract.plugins import Component, installed
from asdcore.errors import located
from asdcore.portfolio import Named, Portfolio
from asdcore.store.entries import Resource
from asdcore.store.resources import open_registry, resource_folder


@dataclass
class Pinned:
    """A registry entry in use: the folder its files lie in, their names, and the branches that read them."""

    entry: Resource
    folder: Path
    names: list[str]
    branches: set[str] = field(default_factory=set)

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
        """Whether it was named by a path rather than lying where the registry keeps it."""
        return self.folder.resolve() != resource_folder(self.entry.id).resolve()

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        said = ("id", "title", "source", "revision", "licence", "plugin")
        allowed = dict(sorted(self.entry.allowed.items()))
        return {key: getattr(self.entry, key) for key in said} | {"allowed": allowed, "files": self.names}


def pinned_resources(plan: Portfolio) -> list[Pinned]:
    """Return the resources that a portfolio reads, by id.

    Raises ResourceError for a checkpoint that the registry does not record with source and hash.
    """
    registry = open_registry()
    found: dict[str, Pinned] = {}
    for branches, where, parameters, component in _parameters(plan):
        with located(where):
            for path in _paths(parameters):
                files = checkpoint_files(path, component)
                entry = registry.recorded(path, files)
                folder = path if path.is_dir() else path.parent
                names = [one.relative_to(folder).as_posix() for one in files]
                one = found.setdefault(entry.id, Pinned(entry, folder, []))
                one.names = sorted({*one.names, *names})
                one.branches.update(branches)
    return [found[one] for one in sorted(found)]


def _parameters(plan: Portfolio) -> Iterator[tuple[list[str], str, dict[str, Any], Component | None]]:
    """Yield (branches concerned, where in the portfolio, parameters, what they are of) of every component."""

    def known(kind: str, name: str) -> Component | None:
        return installed().components(kind).get(name)

    for name, branch in plan.branches.items():
        for kind in ("view", "encoder", "scorer", "normalizer"):
            choice: Named = getattr(branch, kind)
            yield [name], f"branches.{name}.{kind}", choice.parameters, known(kind, choice.name)
        if branch.residual is not None:
            view = branch.residual.view
            yield [name], f"branches.{name}.residual.view", view.parameters, known("view", view.name)
    for name, system in plan.systems.items():
        for guard in system.guards:
            yield list(plan.branches), f"systems.{name}.guards", guard.parameters, known("guard", guard.name)


def _paths(parameters: dict[str, Any]) -> list[Path]:
    """Return the files or folders that parameters name."""
    values = resolved(parameters)
    named = [value for key, value in values.items() if key == CHECKPOINT or _is_file(value)]
    return [Path(value) for value in named if value is not None]


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()
