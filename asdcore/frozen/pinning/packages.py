"""Which installed packages some code needs, by its imports, and in which version: nothing of the code is run."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from asdcore.compute.recipes import NUMERIC_LIBRARIES
from asdcore.contract.source_code.files import BUNDLED_PACKAGE, imported_names

SAME_BITS = frozenset(("numba",))
"""Packages that asdcore and its own plugins import to get the same bits in less time: never pinned for that.

Such a package must be optional, and a test must show the same bits with and without it. A plugin of another
distribution that imports it computes something else with it, so there it counts.
"""

PACKAGE = Path(__file__).parents[2]
ABSENT = "absent"


def packages_of(sources: Iterable[Path], modules: Iterable[str]) -> dict[str, str]:
    """Return {distribution: version} of imports in ``sources``, of ``modules``, and of everything that those need.

    The numeric libraries are always included: a recipe of features holds their versions.
    """
    imported = {
        top for source in set(sources) if source.suffix == ".py" for top in tops_of(source, imported_names(source))
    }
    return packages_with({*imported, *modules}, NUMERIC_LIBRARIES)


def packages_with(modules: Iterable[str], more: Iterable[str] = ()) -> dict[str, str]:
    """Return {distribution: version} of what is installed of modules, of distributions, and of all that they need."""
    installed = _installed(_folders())
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    waiting = [*more, *(name for top in tops for name in installed.by_module.get(top, ()))]
    versions: dict[str, str] = {}
    while waiting:
        name = _plain(waiting.pop())
        if name in versions:
            continue
        with suppress(PackageNotFoundError):  # needed, but not installed: an import would have failed
            versions[name], needs = installed.version_and_needs(name)
            waiting += needs
    return {name: number for name, number in sorted(versions.items()) if name != "asdcore"}


def packages_now(names: Iterable[str]) -> dict[str, str]:
    """Return {distribution: installed version}, "absent" if there is none."""
    versions = {}
    for name in names:
        try:
            versions[name] = _version(name)
        except PackageNotFoundError:
            versions[name] = ABSENT
    return versions


def tops_of(source: Path, imported: Iterable[str]) -> set[str]:
    """Return the top-level modules among the imports of a source file, without those of :data:`SAME_BITS`."""
    is_own = source.is_relative_to(PACKAGE) or BUNDLED_PACKAGE in source.parts
    return {name.partition(".")[0] for name in imported} - (SAME_BITS if is_own else set())


def _version(name: str) -> str:
    """Return the version of a distribution; raises PackageNotFoundError if it is not installed.

    Only the head of its metadata is read: to parse a long description takes most of the time.
    """
    metadata = distribution(name)
    head = (metadata.read_text("METADATA") or "").partition("\n\n")[0]
    line = re.search(r"^Version:[ \t]*(\S+)[ \t]*$", head, re.MULTILINE)
    return line[1] if line else metadata.version


def _folders() -> tuple[tuple[str, int], ...]:
    """Return each folder of ``sys.path``, and when something was last added to it or removed."""
    folders = []
    for folder in sys.path:
        with suppress(OSError):
            folders.append((folder, os.stat(folder or ".").st_mtime_ns))  # noqa: PTH116  ("" is no path)
    return tuple(folders)


class _Installed:
    """What the distributions that are installed hold and need, each read once: to read all takes half a second."""

    def __init__(self) -> None:
        self.by_module = packages_distributions()
        self._read: dict[str, tuple[str, tuple[str, ...]]] = {}

    def version_and_needs(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return a distribution's version, and the distributions that it needs here, without extras."""
        if name not in self._read:
            metadata = distribution(name).metadata
            self._read[name] = metadata["Version"], tuple(_needs(metadata.get_all("Requires-Dist") or ()))
        return self._read[name]


@functools.lru_cache(maxsize=1)
def _installed(folders: tuple[tuple[str, int], ...]) -> _Installed:
    """Return what is installed as long as the folders are as they were."""
    return _Installed()


def _needs(requirements: Iterable[str]) -> Iterator[str]:
    """Return the distributions in requirements that apply here, without extras."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
