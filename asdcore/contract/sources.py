"""Which files are the source of a plugin.

A module by itself is its own source. A module of a package may use anything in that package, data files too, so all of
it counts; of the bundled plugins, which share one package, only the module, what it imports of the others, and the
``__init__.py`` of the packages on the way.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
import warnings
from collections.abc import Iterator
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

BUNDLED_PACKAGE = "asdcore_plugins"

_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
"""In the order in which Python looks for a module, after a package of its name."""

NO_PART = (
    "cli/",
    "complexity",
    "contract/conformance/",
    "data/synth/",
    "reporting/",
    "scaffold.py",
    "templates/",
    "testing.py",
    "text.py",
    "view_audit.py",
)
"""What of asdcore takes no part in a result: how it is asked for and shown, made-up sound, checks of plugins."""


def module_file(name: str) -> Path | None:
    """Return the file of a module by its full name, found without running anything of it; None where there is none."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.has_location else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder).joinpath(*rest)
        for file in (path / "__init__.py", *(path.with_name(f"{path.name}{suffix}") for suffix in _SUFFIXES)):
            if file.is_file():
                return file
    return None


def framework_files() -> tuple[Path, tuple[Path, ...]]:
    """Return (asdcore's folder, its source files that a result may depend on, in sorted order)."""
    package = Path(__file__).parents[1]
    files = (path for path in package.rglob("*.py") if not path.relative_to(package).as_posix().startswith(NO_PART))
    return package, tuple(sorted(files))


def files_digest(top: Path, files: tuple[Path, ...]) -> str:
    """SHA-256 over the relative names and the contents of some files."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(top).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def source_folder(module: Path) -> Path:
    """Return the folder that holds a module's top-level package, or the module itself."""
    top = module.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    return top


def source_files(module: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return (the folder that holds the module's top-level package, the source files in sorted order)."""
    top = source_folder(module)
    if top == module.parent:
        return top, (module,)
    package = top / module.relative_to(top).parts[0]
    if package.name == BUNDLED_PACKAGE:
        return top, tuple(sorted(_used(module, top)))
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return top, tuple(sorted(files))


def source_digest(module: Path) -> str:
    """SHA-256 of the source: of the one file, or of the relative names and contents of several."""
    top, files = source_files(module)
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    return files_digest(top, files)


def imported_names(file: Path) -> frozenset[str]:
    """Return every module that a source file imports by name, at its top or inside a function.

    A file that is no Python, such as a template in a package, cannot be imported and imports nothing.
    """
    about = file.stat()
    return _imported_names(file, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=1024)
def _imported_names(file: Path, changed: int, size: int) -> frozenset[str]:
    found = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file is written
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement of a module, at any depth: an import is one, and no expression holds any."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, block, ())


def _used(module: Path, top: Path) -> set[Path]:
    """Return the module and, in turn, what it imports of its package by full name, and the packages they lie in."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for name in imported_names(file):
            if name.split(".")[0] == BUNDLED_PACKAGE:
                path = top.joinpath(*name.split("."))
                waiting += [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()]
        folders = itertools.takewhile(lambda one: one != top, file.parents)
        waiting += [init for one in folders if (init := one / "__init__.py") not in found and init.is_file()]
    return found
