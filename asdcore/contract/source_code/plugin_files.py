"""Follows what a plugin imports and reads to all files that belong to it, without running anything.

What counts is listed in :mod:`asdcore.contract.source_code.files`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from os import path as paths
from pathlib import Path

from asdcore.contract.source_code.folder_files import TOOLS, tree_files
from asdcore.contract.source_code.imports import Mentions, mentions, names_below
from asdcore.contract.source_code.modules import SUFFIXES, file_below, home_of, module_file, owner

BUNDLED_PACKAGE = "asdcore_plugins"
FRAMEWORK = "asdcore"


class Search:
    """All files of some modules, by name, and the distributions that they import, by version."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.libraries: dict[str, str] = {}
        self._waiting: list[tuple[str, Path, Path]] = []
        invalidate_caches()  # a file may have come since a folder was last listed

    def module(self, name: str, file: Path) -> None:
        """Add a module, by its full name and its file, and all that it leads to."""
        if self._is_archived(file):
            return
        home = home_of(file, name)
        if record := owner(file, home):
            for path in record.files:
                self._recorded(home, path)
        self._add_package(file, home)
        while self._waiting:
            self._follow(*self._waiting.pop())

    def _is_archived(self, file: Path) -> bool:
        """Whether a module lies in an archive; if so, the whole archive is added."""
        archive = None if file.exists() else next((parent for parent in file.parents if parent.is_file()), None)
        if archive:
            self.files[archive.name] = archive
        return archive is not None

    def _recorded(self, home: Path, path: str) -> None:
        """Add a file of the plugin's own distribution; scripts and the metadata of a distribution do not count."""
        folders = path.split("/")[:-1]
        if any(folder in TOOLS or folder.endswith(".dist-info") for folder in folders) or folders[-1:] in (
            ["bin"],
            ["Scripts"],
        ):
            return
        name = path.replace("../", "above/")
        self._add(name, home / path, home)

    def _add_package(self, file: Path, home: Path) -> None:
        """Add a module; if it is in a package, add the whole package."""
        top = None
        for folder in itertools.takewhile(lambda parent: parent != home, file.parents):
            top = folder if (folder / "__init__.py").is_file() else top
        if top:
            for path, member in tree_files(top):
                self._add(f"{top.relative_to(home).as_posix()}/{path}", member, home)
        self._add(file.relative_to(home).as_posix(), file, home)

    def _add(self, name: str, file: Path, home: Path) -> None:
        if name not in self.files and file.is_file():
            self.files[name] = file
            if file.name.endswith(SUFFIXES):
                self._waiting.append((name, file, home))

    def _follow(self, name: str, file: Path, home: Path) -> None:
        """Add what a file imports and what it reads from where it lies."""
        mentioned, package = mentions(file), name.rpartition("/")[0]
        for imported in mentioned.imports:
            self._import(_absolute(imported, package), home)
        for word in mentioned.words:
            self._word(word, package, home)
        bases = {(file.parents[up], _above(package, up)) for up in range(mentioned.above + 1) if up < len(file.parents)}
        for folder, start in bases | {(home, "")}:
            self._data(mentioned, file, folder, start, home)

    def _import(self, name: str, home: Path) -> None:
        parts = name.split(".")
        if parts[0] in sys.stdlib_module_names or parts[0] in (FRAMEWORK, "__main__", ""):
            return
        for depth in range(1, len(parts) + 1):
            self._loose(".".join(parts[:depth]), home)

    def _loose(self, name: str, home: Path) -> None:
        """Add a module that no installer has recorded, or note the version of a recorded one."""
        file = module_file(name) or file_below(home, name.split("."))
        if file is None or self._is_archived(file) or not file.is_file():
            return
        if name.split(".")[0] == BUNDLED_PACKAGE:
            place = home_of(file, name)
            self.files |= {module.relative_to(place).as_posix(): module for module in bundled_files(file, place)}
            return
        place = home_of(file, name)
        if record := owner(file, place):
            if record.version:
                self.libraries[record.name] = record.version
        else:
            self._add_package(file, place)

    def _word(self, word: str, package: str, home: Path) -> None:
        """Add a sibling module that only a text names, such as the argument of an import call."""
        plain = word.lstrip(".")
        if not plain or not all(part.isidentifier() for part in plain.split(".")):
            return
        starts = {package.replace("/", "."), ""}
        for start in starts:
            name = f"{start}.{plain}" if start else plain
            if name.split(".")[0] in (FRAMEWORK, BUNDLED_PACKAGE):
                continue
            file = file_below(home, name.split("."))
            if file and not owner(file, home):
                self._add_package(file, home)

    def _data(self, mentioned: Mentions, file: Path, folder: Path, start: str, home: Path) -> None:
        """Add the files below one folder that a file names, and all of a folder that it names as its own."""
        for word in mentioned.words:
            for path in (word, f"{file.stem}{word}") if word[0] in ".-_" else (word,):
                if _is_below(path):
                    self._add(f"{start}{path}", folder / path, home)
        for texts in mentioned.places:
            for pattern in _patterns(texts):
                for match in _matching(folder, pattern):
                    if match.suffix == ".py" and _is_any(pattern.removesuffix(".py")) and owner(match, home):
                        continue  # any module may be meant, but not one of another distribution
                    path = f"{start}{match.relative_to(folder).as_posix()}"
                    self._add(path, match, home)
                    if match.is_dir() and match.name not in TOOLS and not _is_any(pattern):
                        for below, inner in tree_files(match):
                            self._add(f"{path}/{below}", inner, home)


def bundled_files(module: Path, top: Path) -> set[Path]:
    """Return a bundled module and, in turn, what it imports of its package by full name, and the packages they lie in.

    ``top`` is the folder that the package lies in.
    """
    # Every result that is stored asks this twice, so it works on text: a Path costs more than the file system.
    home, seen, folders = str(top), set[str](), {str(top)}
    waiting = [str(module)]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in names_below(file, BUNDLED_PACKAGE):
            path = f"{home}/{name.replace('.', '/')}"
            waiting += [candidate for candidate in (f"{path}.py", f"{path}/__init__.py") if _is_file(candidate)]
        folder = file.rpartition("/")[0]
        while folder not in folders:
            folders.add(folder)
            waiting += [init for init in (f"{folder}/__init__.py",) if _is_file(init)]
            folder = folder.rpartition("/")[0]
    return {Path(file) for file in seen}


def _is_file(path: str) -> bool:
    return paths.isfile(path)  # noqa: PTH113


def _absolute(name: str, package: str) -> str:
    """Return the full name of a module that a file of a package imports; "" if it leads out of the package."""
    if not name.startswith("."):
        return name
    plain = name.lstrip(".")
    parts = package.split("/") if package else []
    up = len(name) - len(plain) - 1
    if up > len(parts):
        return ""
    return ".".join([*parts[: len(parts) - up], *([plain] if plain else [])])


def _above(package: str, up: int) -> str:
    """Return the prefix of the names of files that lie ``up`` folders above a file of a package."""
    parts = package.split("/") if package else []
    inside = parts[: max(0, len(parts) - up)]
    return "".join(f"{part}/" for part in [*["above"] * max(0, up - len(parts)), *inside])


def _is_below(path: str) -> bool:
    return (
        not path.startswith("/") and all(part not in ("", ".", "..") for part in path.split("/")) and "\0" not in path
    )


def _patterns(texts: tuple[str, ...]) -> set[str]:
    """Return the paths that the texts of one expression may mean: all of them together, or each."""
    whole = "/".join(texts)
    single = (text for text in texts if len(texts) == 1 or not _is_any(text))
    return {path.removeprefix("*/") for path in (whole, whole.replace(".", "/"), *single)} | {whole}


def _is_any(pattern: str) -> bool:
    return not set(pattern) - set("*/.")


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the paths that a pattern matches below a folder; nothing for an invalid pattern."""
    plain = "/".join(part for part in pattern.split("/") if part not in ("", "."))
    if plain in ("", "**") or ".." in plain.split("/") or "\0" in plain:
        return
    try:
        yield from folder.glob(plain) if any(sign in plain for sign in "*?[") else (folder / plain,)
    except (ValueError, OSError):
        return
