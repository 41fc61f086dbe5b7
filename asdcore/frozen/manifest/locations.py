"""Find the pinned artifacts on this machine.

A subject is named ``<root>/<path>``. The roots:

    data        the recordings                          predicate.roots, or --data
    run         the run folder                          predicate.roots, or --run
    store       the store that holds the features       predicate.roots, or --store
    asdcore     the framework's own source              where it is installed
    plugin/P    the source of the plugin P              where it is installed
    resource/R  the files of the registry entry R       where the registry keeps them

The first three are written relative to the manifest's folder, and so is a resource that lies elsewhere than where the
registry keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asdcore.basics.recording_parts import is_whole, recording_name
from asdcore.components.named_files import module_source
from asdcore.contract.discovery import origins
from asdcore.contract.source_code.files import framework_files, source_folder
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import Manifest
from asdcore.resources.registry import resource_folder


@dataclass(frozen=True)
class Roots:
    """The folders below which a manifest's subjects lie, by the first part (or two) of their names.

    files : {subject name: file} of the source of plugins, which may lie in several folders.
    """

    folders: dict[str, Path]
    files: dict[str, Path] = field(default_factory=dict)
    _real: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _inside: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The folder of names up to their last "/", once it is known to lie inside its root."""

    def locate(self, name: str) -> Path | None:
        """Return the path of a subject, None if its root is not on this machine.

        Raises ManifestError if a link leads out of the root: its target was not frozen.
        """
        target = self.locate_text(name)
        return None if target is None else Path(target)

    def locate_text(self, name: str) -> str | Path | None:
        """Return what :meth:`locate` does; as text, since there may be a million."""
        above, _, last = name.rpartition("/")
        if (folder := self._inside.get(above)) and is_whole(name):
            target = f"{folder}/{last}"
            if not os.path.islink(target):  # noqa: PTH114
                return target
        return self._located(name, above)

    def _located(self, name: str, above: str) -> str | Path | None:
        if name in self.files:
            return self.files[name]
        root, path = split(name)
        if root not in self.folders:
            return None
        if root.startswith("plugin/"):  # a file that the source of the plugin no longer leads to
            return self.folders[root] / path
        path = recording_name(path) if root == "data" else path
        home = self._real_path(str(self.folders[root]))
        folder, _, file = f"{home}/{path}".rpartition("/")
        target, real = f"{folder}/{file}", f"{self._real_path(folder)}/"
        if is_link := os.path.islink(target):  # noqa: PTH114
            real = os.path.realpath(target)
        if not real.startswith(f"{home.rstrip('/')}/"):
            raise ManifestError("a link leads out of its root")
        if not is_link and root == "data":
            self._inside[above] = folder
        return target

    def _real_path(self, folder: str) -> str:
        """Resolve the links of a folder, once: thousands of files lie in a few folders."""
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]


def split(name: str) -> tuple[str, str]:
    """Return the root of a subject's name and the path below it."""
    first, _, rest = name.partition("/")
    if first in ("plugin", "resource"):
        second, _, rest = rest.partition("/")
        return f"{first}/{second}", rest
    return first, rest


def code_roots(plugins: Iterable[str]) -> dict[str, Path]:
    """Return the roots of the framework and of the plugins named that are installed. None of them is imported."""
    roots = {"asdcore": framework_files()[0]}
    for name, place in origins(plugins).items():
        if place and place.source:
            roots[f"plugin/{name}"] = source_folder(place.source)
    return roots


def plugin_files(plugins: Mapping[str, Iterable[str]]) -> dict[str, Path]:
    """Return {subject name: file} of the source of plugins, and of the modules named in their parameters.

    plugins : {name: those modules}. None of them is imported.
    """
    sources: dict[str, Path] = {}
    for name, place in origins(plugins).items():
        files = [
            *(place.files.items() if place else ()),
            *(item for module in plugins[name] for item in module_source(module).files.items()),
        ]
        sources |= {f"plugin/{name}/{path}": file for path, file in files}
    return sources


def relative_roots(places: dict[str, Path], out: Path) -> dict[str, str]:
    """Return places as a manifest at ``out`` records them: relative to its folder."""
    home = out.resolve().parent
    return {name: Path(os.path.relpath(path.resolve(), home)).as_posix() for name, path in places.items()}


def roots_of(manifest: Manifest, given: dict[str, Path | None]) -> Roots:
    """Return a manifest's roots; those ``given`` (data, run, store) replace what it records."""
    home = manifest.path.resolve().parent
    recorded: dict[str, Any] = manifest.predicate["roots"]
    places = {name: given.get(name) or home / str(path) for name, path in recorded.items()}
    kept = {f"resource/{entry['id']}": resource_folder(entry["id"]) for entry in manifest.predicate["resources"]}
    plugins = {row["plugin"]: row.get("modules", []) for row in manifest.predicate["plugins"]}
    return Roots({**kept, **places, **code_roots(plugins)}, plugin_files(plugins))
