"""Files, folders and modules that the parameters of a component name: they count by what they hold.

A text names a file or folder where there is one of that name; ``~`` and ``$NAME`` stand for what they stand for in a
shell. The bundled plugins read from disk what ``checkpoint`` names, and nothing else that is one plain word.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from asdcore.contract.plugins import Component
from asdcore.contract.sources import Source, source_of_module
from asdcore.contract.trees import tree_files
from asdcore.errors import PluginError, ResourceError
from asdcore.resources.registry import content_digest

MODULE, SOURCE = "module", "source_sha256"
NAMED, CONTENT = "named", "content_sha256"


def by_content(component: Component | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for a recipe: what they name on disk by its content, whatever it is called.

    Raises ResourceError for what is there and cannot be read.
    """
    words = _takes_words(component)
    found = {key: _by_content(value, words) for key, value in sorted(parameters.items())}
    return found | {key: {**_module_recipe(name), MODULE: name} for key, name in modules_named(parameters)}


def held(component: Component | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for a job that runs later or elsewhere, JSON-like: what they name held to what it is now."""
    words, modules = _takes_words(component), dict(modules_named(parameters))
    found = {key: _held(value, words) for key, value in parameters.items()}
    return found | {key: {MODULE: name, SOURCE: _module_recipe(name)["source"]} for key, name in modules.items()}


def released(value: Any) -> Any:
    """Return a value that :func:`held` may have held; raises ResourceError where what it names is no longer that."""
    if isinstance(value, list):
        return [released(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {NAMED, CONTENT}:
        path = _path(value[NAMED], words=True)
        _require(value[NAMED], value[CONTENT], "nothing" if path is None else path_digest(path))
        return value[NAMED]
    if set(value) == {MODULE, SOURCE}:
        _require(value[MODULE], value[SOURCE], _module_recipe(value[MODULE])["source"])
        return value[MODULE]
    return {key: released(one) for key, one in value.items()}


def paths_named(component: Component | None, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield (key, file or folder) of all that parameters name on disk."""
    words = _takes_words(component)
    for key, value in parameters.items():
        yield from ((key, path) for one in _flat(value) if (path := _path(one, words)))


def modules_named(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, name) of modules that parameters name, as the HEAR adapter is told one."""
    for key, value in parameters.items():
        if isinstance(value, str) and (key == MODULE or key.endswith(f"_{MODULE}")):
            yield key, value


def module_source(name: str) -> Source:
    """Return the source of a module that a parameter names, as it is now; of one that is not there, nothing."""
    return source_of_module(name) or Source({})


def path_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, or over the names and contents of all files of a folder.

    Raises ResourceError for what cannot be read. A file that does not change is read once a process.
    """
    try:
        return tree_digest(path) if path.is_dir() else content_digest(path)
    except OSError as error:
        raise ResourceError(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) over the names and contents of all files below a folder, hidden ones too."""
    lines = (f"{name}\0{content_digest(file)}\n" for name, file in tree_files(folder))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _by_content(value: Any, words: bool) -> Any:
    if isinstance(value, list | tuple):
        return [_by_content(one, words) for one in value]
    if isinstance(value, dict):
        return {key: _by_content(one, words) for key, one in value.items()}
    path = _path(value, words)
    if path is None:
        return str(value) if isinstance(value, Path) else value
    said = {"tree_sha256" if path.is_dir() else "content_sha256": path_digest(path)}
    # A plain word may mean something else, and only happen to be the name of a file here as well.
    return {**said, "word": value} if isinstance(value, str) and _is_word(value) else said


def _held(value: Any, words: bool) -> Any:
    if isinstance(value, list):
        return [_held(one, words) for one in value]
    if isinstance(value, dict):
        return {key: _held(one, words) for key, one in value.items()}
    path = _path(value, words) if isinstance(value, str) else None
    return value if path is None else {NAMED: value, CONTENT: path_digest(path)}


def _require(name: str, wanted: str, now: str) -> None:
    if now != wanted:
        raise ResourceError(f"{name} has changed: pinned is the content {wanted}, found {now}. Run again.")


def _module_recipe(name: str) -> dict[str, Any]:
    source = module_source(name)
    digest = source.digest if source.files else ""
    _check_loaded(name, digest)
    return {"source": digest, "libraries": dict(sorted(source.libraries.items()))}


_loaded: dict[str, tuple[ModuleType | None, str]] = {}


def _check_loaded(name: str, digest: str) -> None:
    """Refuse a module that changed after this process imported it: the old code would answer for the new."""
    now = sys.modules.get(name)
    before, first = _loaded.get(name, (None, digest))
    if now is not None and before in (None, now) and first != digest:
        raise PluginError(
            f"The module {name!r} was changed after this process had imported it, and Python goes on with the old. "
            "Start a new process (in a notebook, restart the kernel)."
        )
    _loaded[name] = (now, digest)


def _path(value: Any, words: bool) -> Path | None:
    """Return the file or folder that a value names; None where it names none."""
    if isinstance(value, Path):
        return value if value.exists() else None
    if not isinstance(value, str) or not value or "\0" in value or (not words and _is_word(value)):
        return None
    text = url2pathname(urlsplit(value).path) if value.startswith("file:") else os.path.expandvars(value)
    try:
        path = Path(text).expanduser()
        return path if path.is_file() or path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _flat(one)
    else:
        yield value


def _is_word(value: str) -> bool:
    return not any(sign in value for sign in "/.~$\\")


def _takes_words(component: Component | None) -> bool:
    return component is None or component.distribution != "asdcore"
