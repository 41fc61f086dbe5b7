"""Which files are the source of a plugin.

What counts, so that a change of it makes a result stale:

    a module of a package       all of that package, data files too, for it may use anything there
    a module by itself          the module
    what either imports         its siblings, and whatever else no installer has recorded: plain files and packages on
                                the path, other projects installed for development; these packages as a whole
    what an installer recorded  all files of the plugin's own distribution; of any other its version
    data files by name          those that the source names and that lie where it lies

Of the bundled plugins, which share one package, only the module counts, what it imports of the others, and the
``__init__.py`` of the packages on the way. Nothing is run to find all that out.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asdcore.contract.source_code.imports import imported_names
from asdcore.contract.source_code.modules import home_of, module_file, owner
from asdcore.contract.source_code.plugin_files import BUNDLED_PACKAGE, Search, bundled_files
from asdcore.errors import PluginError

__all__ = [
    "BUNDLED_PACKAGE",
    "NO_PART",
    "Source",
    "files_digest",
    "framework_files",
    "imported_names",
    "module_file",
    "source_digest",
    "source_files",
    "source_folder",
    "source_of",
    "source_of_module",
]

FRESH = 2 * 10**9
"""Nanoseconds after a change in which another may leave the time of change as it is: file systems count coarsely."""

NO_PART = (
    "__main__.py",
    "authoring/",
    "cli/",
    "data/synth/",
    "complexity/",
    "drawing/",
    "explanation/",
    "preflight/",
    "reporting/",
    "testing.py",
)
"""What of asdcore takes no part in a result: how it is asked for and shown, made-up sound, checks of plugins."""


def framework_files() -> tuple[Path, tuple[Path, ...]]:
    """Return (asdcore's folder, its source files that a result may depend on, in sorted order)."""
    package = Path(__file__).parents[2]
    files = (path for path in package.rglob("*.py") if not path.relative_to(package).as_posix().startswith(NO_PART))
    return package, tuple(sorted(files))


def files_digest(top: Path, files: tuple[Path, ...]) -> str:
    """SHA-256 over the relative names and the contents of some files."""
    digest = hashlib.sha256()
    for file in files:
        _update(digest, file.relative_to(top).as_posix(), file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """The source of a plugin or of a module: {name: file}, and {distribution: version} of what it imports.

    A name is the path below the folder that a module is imported from, wherever that folder lies.
    """

    files: Mapping[str, Path]
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the one file, or of the names and contents of several. Raises PluginError if one is unreadable.

        A file that has not changed is read once a process.
        """
        try:
            return _digest(tuple((name, file, _state(file)) for name, file in sorted(self.files.items())))
        except OSError as error:
            raise PluginError(f"Reading {error.filename}, which a plugin needs, failed: {error.strerror}.") from error


def source_of(file: Path, name: str = "") -> Source:
    """Return the source of a plugin, by the file of its module and the full name that it is imported by.

    Without a name the module counts as one of the package that it lies in.
    """
    top = source_folder(file)
    name = name or _name_below(top, file)
    if name.split(".")[0] == BUNDLED_PACKAGE:
        home = home_of(file, name)
        return Source({module.relative_to(home).as_posix(): module for module in bundled_files(file, home)})
    search = Search()
    search.module(name, file)
    return Source(search.files, search.libraries)


def source_of_module(name: str) -> Source | None:
    """Return the source of a module that a parameter names; None if there is no such module.

    The source of a module that an installer has recorded is a version rather than files.
    """
    file = module_file(name)
    if file is None:
        return None
    record = owner(file, home_of(file, name)) if file.is_file() else None
    return Source({}, {record.name: record.version}) if record else source_of(file, name)


def source_folder(module: Path) -> Path:
    """Return the folder that holds a module's top-level package, or the module itself."""
    top = module.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    return top


def source_files(module: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return (the folder that holds the module's top-level package, the source files in sorted order)."""
    return source_folder(module), tuple(sorted(source_of(module).files.values()))


def source_digest(module: Path, name: str = "") -> str:
    """SHA-256 of the source: of the one file, or of the relative names and contents of several."""
    return source_of(module, name).digest


def _name_below(top: Path, file: Path) -> str:
    """Return the full name of a module in a file below the folder that it is imported from."""
    parts = [*file.relative_to(top).parts[:-1], file.name.partition(".")[0]]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _state(file: Path) -> tuple[int, ...]:
    """Return a key that stays the same while a file is unchanged. A file that changed just now gets a key for once."""
    about = file.stat()
    is_settled = time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) > FRESH
    return (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, 0 if is_settled else time.time_ns())


@functools.lru_cache(maxsize=256)
def _digest(files: tuple[tuple[str, Path, tuple[int, ...]], ...]) -> str:
    if len(files) == 1:
        return hashlib.sha256(files[0][1].read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, file, _ in files:
        _update(digest, name, file.read_bytes())
    return digest.hexdigest()


def _update(digest: hashlib._Hash, name: str, content: bytes) -> None:
    digest.update(f"{name}\0{len(content)}\0".encode())
    digest.update(content)
