"""What a source file mentions: the modules that it imports, and the files that it may read from where it lies.

It is read, not run. Imports stand in statements, as text in calls such as ``import_module("helper")``, or as the path
of a factory, ``"package.module:Name"``. A data file is named by text: ``Path(__file__).parent / "table.npy"``,
``files(__package__) / "tables"``, ``f"table_{n}.npy"``.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

LONGEST = 200
"""Characters: longer text names no file."""

LARGEST = 1 << 25
"""Bytes: a compiled file above this is not searched for names."""

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
FACTORY_PATH = re.compile(rf"(?P<module>{_NAME}):(?P<attribute>{_NAME})")
"""``package.module:Name``: what a plugin may register in place of a factory."""

IMPORTING = frozenset(("__import__", "find_spec", "import_module", "run_module"))
LISTING = {"iterdir": "*", "listdir": "*", "scandir": "*", "glob": "*", "rglob": "**/*", "walk": "**/*"}
_OWN = frozenset(("__file__", "__path__", "__package__", "__spec__", "__name__"))
_RESOURCES = frozenset(("files", "get_data", "open_binary", "open_text"))
_RESOURCES_BY_NAME = _RESOURCES | {"contents", "path", "read_binary", "read_text"}
"""Functions of importlib.resources and pkgutil; those that paths have too count only if called by themselves."""

_UP = re.compile(
    r"(\)?)((?:\s*\.parent\b)+)|parents\[(\d?)|((?:\.\./?)+)(?=[\w\"'])|(pardir)|((?:dirname\((?:os\.path\.)?)+)"
)
_UNKNOWN = re.compile(r"%[-+0-9.]*[a-z]|\{[^{}]*\}|\*+")
FURTHEST = 5
_WORD = re.compile(rb"[A-Za-z0-9_./-]{2,%d}" % LONGEST)


@dataclass(frozen=True)
class Mentions:
    """What one file mentions.

    imports : modules, a relative one with its leading dots. words : other text. places : texts that stand together in
    an expression about the file's own place, ``*`` for a part that depends on the run. above : how many folders above
    its own the file may speak of.
    """

    imports: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    places: frozenset[tuple[str, ...]] = frozenset()
    above: int = 0


def imported_names(file: Path) -> frozenset[str]:
    """Return every module that a source file imports by full name, at its top or inside a function.

    A file that does not parse as Python, such as a template in a package, imports nothing.
    """
    about = file.stat()
    return frozenset(name for name in _imports(file, about.st_mtime_ns, about.st_size) if not name.startswith("."))


def imported_at_run_time(file: Path) -> frozenset[str]:
    """Return what :func:`imported_names` does, without imports that only a type checker sees."""
    about = file.stat()
    return frozenset(name for name in _run_time(file, about.st_mtime_ns, about.st_size) if not name.startswith("."))


def names_below(file: str, package: str) -> frozenset[str]:
    """Return the modules of a package that a source file imports by full name."""
    about = os.stat(file)  # noqa: PTH116
    return _names_below(file, package, about.st_mtime_ns, about.st_size)


def mentions(file: Path) -> Mentions:
    """Return what a file mentions: a source file, or a compiled one, of which only the words count."""
    about = file.stat()
    return _mentions(file, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=1024)
def _names_below(file: str, package: str, changed: int, size: int) -> frozenset[str]:
    return frozenset(name for name in _imports(Path(file), changed, size) if name.split(".")[0] == package)


@functools.lru_cache(maxsize=1024)
def _imports(file: Path, changed: int, size: int) -> frozenset[str]:
    tree = _parsed(file.read_bytes())
    return frozenset() if tree is None else frozenset(_imported(_statements(tree)))


@functools.lru_cache(maxsize=1024)
def _run_time(file: Path, changed: int, size: int) -> frozenset[str]:
    tree = _parsed(file.read_bytes())
    return frozenset() if tree is None else frozenset(_imported(_statements(tree, typing_too=False)))


@functools.lru_cache(maxsize=1024)
def _mentions(file: Path, changed: int, size: int) -> Mentions:
    if size > LARGEST:
        return Mentions()
    content = file.read_bytes()
    tree = _parsed(content) if file.suffix in (".py", ".pyw") else None
    if tree is None:
        return Mentions(words=frozenset(word.decode() for word in _WORD.findall(content)))
    nodes = list(ast.walk(tree))
    asked = frozenset(_asked_for(nodes))
    patterns = {(f"{pattern.lstrip('.').replace('.', '/')}.py",) for pattern in asked if "*" in pattern}
    places = frozenset(_places(nodes)) | patterns
    words = frozenset(text for node in nodes if isinstance(node, ast.Constant) for text in _texts(node))
    above = _above(content.decode(errors="replace"))
    paths = frozenset(match["module"] for match in map(FACTORY_PATH.fullmatch, words) if match)
    imports = frozenset(_imported(nodes)) | {name for name in asked if "*" not in name} | paths
    return Mentions(imports, words, places, above)


def _parsed(content: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file is written
            return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(tree: ast.AST, *, typing_too: bool = True) -> Iterator[ast.AST]:
    """Yield every statement of a module, at any depth: an import is one, and no expression holds any.

    typing_too : whether those in ``if TYPE_CHECKING:``, which is never true when code runs, count.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not typing_too and isinstance(node, ast.If) and _names(node.test) == ["TYPE_CHECKING"]:
            waiting += node.orelse
            continue
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, block, ())


def _imported(nodes: Iterator[ast.AST] | list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            joint = "." if node.module else ""
            yield from (start, *(f"{start}{joint}{alias.name}" for alias in node.names))


def _asked_for(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the modules that are imported by a call, ``*`` for a part that depends on the run."""
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) in IMPORTING:
            computed = [_pattern(argument) for argument in node.args[:1]]
            yield from (name for name in (*_texts(node), *computed) if _is_name(name.replace("*", "_")))


def _places(nodes: list[ast.AST]) -> Iterator[tuple[str, ...]]:
    """Yield the texts of every expression that is about the file's own place."""
    own = set(_OWN)
    for _ in range(3):  # HERE = Path(__file__).parent; TABLES = HERE / "tables"; ...
        for node in nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value and _is_own(node.value, own):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                own |= {name for target in targets for name in _names(target)}
    for node in nodes:
        if isinstance(node, ast.Call | ast.BinOp | ast.JoinedStr) and _is_own(node, own):
            yield from ((_summed(part),) for part in ast.walk(node) if _is_sum(part))
            if texts := tuple(_UNKNOWN.sub("*", text) for text in _texts(node)):
                yield texts
            elif isinstance(node, ast.Call) and (listed := LISTING.get(_called(node))):
                yield (listed,)


def _above(text: str) -> int:
    """Return how many folders up a source may go from its own."""
    steps_up = [0]
    for called, parent, parents, dots, pardir, dirname in _UP.findall(text):
        steps = (
            parent.count(".parent")
            - bool(called)
            + dots.count("..")
            + bool(pardir)
            + dirname.count("dirname")
            - bool(dirname)
        )
        steps_up.append(steps if not parents else int(parents))
    return min(max(steps_up), FURTHEST)


def _is_own(node: ast.AST, own: set[str]) -> bool:
    return any(
        not own.isdisjoint(_names(part)) or (isinstance(part, ast.Call) and _is_of_resources(part))
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute | ast.Call)
    )


def _is_of_resources(node: ast.Call) -> bool:
    by_name = isinstance(node.func, ast.Name) or "resources" in _names(getattr(node.func, "value", node))
    return _called(node) in (_RESOURCES_BY_NAME if by_name else _RESOURCES)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    return [node.attr] if isinstance(node, ast.Attribute) else []


def _called(node: ast.Call) -> str:
    return next(iter(_names(node.func)), "")


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in an expression, in the order in which they stand."""
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
        yield "".join(parts)
    elif isinstance(node, ast.Constant):
        if _is_text(node):
            yield str(node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _is_sum(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and any(_texts(node))


def _summed(node: ast.AST) -> str:
    """Return the text that a sum of texts gives, ``*`` for a part that depends on the run."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _UNKNOWN.sub("*", _summed(node.left) + _summed(node.right))
    return next(iter(_texts(node)), "*") if isinstance(node, ast.Constant | ast.JoinedStr) else "*"


def _pattern(node: ast.AST) -> str:
    """Return what text an expression gives, ``*`` for a part that depends on the run."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        node = node.left
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        node = node.func.value
    return _UNKNOWN.sub("*", _summed(node))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) <= LONGEST


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.lstrip(".").split("."))
