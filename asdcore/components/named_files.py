"""Find the files, folders and modules that parameters of a component name, and replace them by their content.

A text names a file or folder if one of that name exists; ``~`` and ``$NAME`` are expanded as in a shell. Of the
bundled plugins' parameters, a plain word names a file only in ``checkpoint``.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from asdcore.contract.plugins import Component
from asdcore.contract.source_code.files import Source, source_of_module
from asdcore.contract.source_code.folder_files import tree_files
from asdcore.errors import PluginError, ResourceError
from asdcore.resources.registry import content_digest

MODULE, SOURCE = "module", "source_sha256"
NAMED, CONTENT = "named", "content_sha256"


def by_content(component: Component | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for a recipe, with files and folders replaced by digests of their content.

    Raises ResourceError if a file is unreadable.
    """
    words = _takes_words(component)
    recipe = {key: _by_content(value, words) for key, value in sorted(parameters.items())}
    return recipe | {key: {**_module_recipe(name), MODULE: name} for key, name in modules_named(parameters)}


def held(component: Component | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON-like parameters for a job that runs later or elsewhere, with digests of the files they name."""
    words, modules = _takes_words(component), dict(modules_named(parameters))
    pinned = {key: _held(value, words) for key, value in parameters.items()}
    return pinned | {key: {MODULE: name, SOURCE: _module_recipe(name)["source"]} for key, name in modules.items()}


def released(value: Any) -> Any:
    """Return a value as it was before :func:`held`; raises ResourceError if a file that it names has changed."""
    if isinstance(value, list):
        return [released(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {NAMED, CONTENT}:
        path = _path(value[NAMED], words=True)
        _require(value[NAMED], value[CONTENT], "missing" if path is None else path_digest(path))
        return value[NAMED]
    if set(value) == {MODULE, SOURCE}:
        _require(value[MODULE], value[SOURCE], _module_recipe(value[MODULE])["source"])
        return value[MODULE]
    return {key: released(item) for key, item in value.items()}


def paths_named(component: Component | None, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield (key, path) of every file and folder that parameters name."""
    words = _takes_words(component)
    for key, value in parameters.items():
        yield from ((key, path) for item in _flat(value) if (path := _path(item, words)))


def modules_named(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, name) of every module that parameters name, as those of the HEAR adapter do."""
    for key, value in parameters.items():
        if isinstance(value, str) and (key == MODULE or key.endswith(f"_{MODULE}")):
            yield key, value


def module_source(name: str) -> Source:
    """Return the current source of a module that a parameter names; an absent module has no files."""
    return source_of_module(name) or Source({})


def path_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, or over the names and contents of all files of a folder.

    Raises ResourceError if a file is unreadable. A file that does not change is read once per process.
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
        return [_by_content(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _by_content(item, words) for key, item in value.items()}
    path = _path(value, words)
    if path is None:
        return str(value) if isinstance(value, Path) else value
    recipe = {"tree_sha256" if path.is_dir() else "content_sha256": path_digest(path)}
    # A plain word may mean something else, and only happen to be the name of a file here as well.
    return {**recipe, "word": value} if isinstance(value, str) and _is_word(value) else recipe


def _held(value: Any, words: bool) -> Any:
    if isinstance(value, list):
        return [_held(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _held(item, words) for key, item in value.items()}
    path = _path(value, words) if isinstance(value, str) else None
    return value if path is None else {NAMED: value, CONTENT: path_digest(path)}


def _require(name: str, wanted: str, now: str) -> None:
    if now != wanted:
        raise ResourceError(f"{name} has changed: the pinned content is {wanted}, now it is {now}. Run again.")


def _module_recipe(name: str) -> dict[str, Any]:
    source = module_source(name)
    digest = source.digest if source.files else ""
    _check_loaded(name, digest)
    return {"source": digest, "libraries": dict(sorted(source.libraries.items()))}


_loaded: dict[str, tuple[ModuleType | None, str]] = {}


def _check_loaded(name: str, digest: str) -> None:
    """Raise PluginError if a module changed after this process imported it: the old code would run for the new."""
    now = sys.modules.get(name)
    before, first = _loaded.get(name, (None, digest))
    if now is not None and before in (None, now) and first != digest:
        raise PluginError(
            f"The module {name!r} was changed after this process imported it, and Python still runs the old one. "
            "Start a new process (in a notebook, restart the kernel)."
        )
    _loaded[name] = (now, digest)


def _path(value: Any, words: bool) -> Path | None:
    """Return the file or folder that a value names, else None."""
    if isinstance(value, Path):
        return value if value.exists() else None
    if not isinstance(value, str) or not value or "\0" in value or (not words and _is_word(value)):
        return None
    text = unquote(urlsplit(value).path) if value.startswith("file:") else os.path.expandvars(value)
    try:
        path = Path(text).expanduser()
        return path if path.is_file() or path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _flat(item)
    else:
        yield value


def _is_word(value: str) -> bool:
    return not any(sign in value for sign in "/.~$\\")


def _takes_words(component: Component | None) -> bool:
    return component is None or component.distribution != "asdcore"
