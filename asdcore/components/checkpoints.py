"""Resolve the parameter ``checkpoint`` of a component: a path, or the id of a registry entry.

A checkpoint named by its id is looked up, and its hash checked, before the component is built. The component gets a
path either way, and a recipe counts a checkpoint by its content, so that the same file shares its features however it
is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from asdcore.components.named_files import held, path_digest, released
from asdcore.contract.plugins import Component
from asdcore.errors import ResourceError
from asdcore.resources.checkpoint_files import checkpoint_files
from asdcore.resources.entries import ID
from asdcore.resources.registry import files_digest, locate, open_registry, suggestion

CHECKPOINT = "checkpoint"
PINNED = ("path", "content_sha256", "files")


def resolved(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with ``checkpoint`` as a path; one named by its id is located and its hash checked.

    Raises ResourceError if the checkpoint is missing, or is not the one that the registry records.
    """
    checkpoint = parameters.get(CHECKPOINT)
    values = {key: value if key == CHECKPOINT else released(value) for key, value in parameters.items()}
    if _is_pinned(checkpoint):
        values[CHECKPOINT] = _unchanged(**checkpoint)
    elif checkpoint is not None:
        named = _named(checkpoint)
        values[CHECKPOINT] = named if isinstance(named, Path) else locate(named)
    return values


def pinned(parameters: Mapping[str, Any], component: Component | None = None) -> dict[str, Any]:
    """Return JSON-like parameters for a job that runs later or elsewhere, with the content of every file they name."""
    values = resolved(parameters)
    path = values.pop(CHECKPOINT, None)
    values = held(component, values)
    if _is_pinned(given := parameters.get(CHECKPOINT)):
        values[CHECKPOINT] = given
    elif isinstance(path, Path):
        files = [str(file.absolute()) for file in checkpoint_files(path, component)]
        content = str(path.absolute()), checkpoint_digest(path, component), [] if path.is_dir() else files
        values[CHECKPOINT] = dict(zip(PINNED, content, strict=True))
    return values


def checkpoint_digest(path: Path, component: Component | None = None) -> str:
    """Return the SHA-256 of all files of a checkpoint: of its one file, or of names and hashes if it has more."""
    return _content(path, [] if path.is_dir() else checkpoint_files(path, component))


def _content(path: Path, files: Sequence[Path]) -> str:
    return files_digest(path.parent, files) if len(files) > 1 else path_digest(path)


def check_checkpoint(parameters: Mapping[str, Any]) -> None:
    """Raise ResourceError unless ``checkpoint`` is a path that exists or the id of an entry. Reads no checkpoint."""
    checkpoint = parameters.get(CHECKPOINT)
    if checkpoint is not None and not _is_pinned(checkpoint):
        _named(checkpoint)


def checkpoint_path(parameters: Mapping[str, Any]) -> Path | None:
    """Return the path in ``checkpoint``; None for an id or no checkpoint. Reads no checkpoint."""
    checkpoint = parameters.get(CHECKPOINT)
    if checkpoint is None or _is_pinned(checkpoint):
        return None
    named = _named(checkpoint)
    return named if isinstance(named, Path) else None


def _is_pinned(checkpoint: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(checkpoint, dict) and set(checkpoint) == set(PINNED)


def _unchanged(path: str, content_sha256: str, files: Sequence[str]) -> Path:
    """Return the path of a pinned checkpoint; raises ResourceError if its content has changed."""
    there = all(Path(name).exists() for name in (path, *files))
    digest = _content(Path(path), [Path(file) for file in files]) if there else "missing"
    if digest != content_sha256:
        raise ResourceError(
            f"{path} has changed: the pinned content is {content_sha256}, now it is {digest}. Run again."
        )
    return Path(path)


def _named(checkpoint: Any) -> Path | str:
    """Return the path of a file or folder that is there, or the id of a checkpoint in the registry."""
    if not (isinstance(checkpoint, str | Path) and str(checkpoint)):
        raise ResourceError(f"checkpoint is {checkpoint!r}; a path is allowed, or the id of a registry entry.")
    path, text = Path(checkpoint), str(checkpoint)
    entries = {entry.id: entry for entry in open_registry().entries("checkpoint")} if ID.fullmatch(text) else {}
    if path.exists() and text in entries:
        raise ResourceError(f"checkpoint = {text!r} is a registry entry, but also a path here: './{text}' is the path.")
    if not path.exists() and text not in entries:
        raise ResourceError(
            f"checkpoint = {text!r} is neither a file or folder here nor a checkpoint in the registry. "
            f"{suggestion(text, entries)}'asdcore registry list' shows all; 'asdcore registry add FILE' records "
            "a file that you have, with --own one that you made."
        )
    return text if text in entries else path
