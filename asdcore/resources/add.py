"""Takes a local file, or a folder of files, into the registry: its hash into an entry, itself to where resources lie.

What the registry knows already is not taken on trust: a size or hash that contradicts the recorded one is refused. An
entry that lacks a hash gets it, in the user's own registry.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asdcore.contract.plugins import installed
from asdcore.errors import ResourceError
from asdcore.resources.checkpoint_files import checkpoint_files
from asdcore.resources.entries import File, Resource, entry_text, make_entry
from asdcore.resources.registry import Registry, content_digest, difference, folder_files, resource_folder
from asdcore.store.atomic import atomic_path, write_text

NEEDED = ("source", "licence", "plugin")
OWN = "own"
GRAPHS = {".onnx": "onnx", ".tflite": "onnx"}
"""Which plugin reads a file of one's own, where its name tells."""
COMPUTED = "computed: from a local file, by 'asdcore registry add'"


def add(path: Path, registry: Registry, identifier: str | None = None, *, own: bool = False, **said: str) -> Resource:
    """Record a file's (or a folder's files') size and hash, put it in place, and return its entry.

    identifier : of the entry to complete or to make; without it, the entry that records the hash, else a new one named
    after the file. said : what a new entry says; ``source``, ``licence`` and ``plugin`` are needed, unless it is one's
    ``own``. Raises ResourceError.
    """
    given = [*said, *["own"] * own]
    if own:
        said = {"licence": OWN, "plugin": GRAPHS.get(path.suffix.lower(), OWN), **said}
    found = _files(path, said.get("plugin"))
    name = identifier or _known(path, found, registry) or _slug(path)
    known = registry.resources.get(name)
    if known and given:
        raise ResourceError(
            f"{name} is in the registry: --{', --'.join(given)} can only describe a new entry. Leave that out, or "
            "choose another --id."
        )
    if known:
        found = _matched(known, path, _files(path, known.plugin))
        entry = _completed(known, found)
    else:
        entry = _new(name, path, found, registry, {**said, "own": own} if own else said)
    if entry != known:
        write_text(registry.home / f"{name}.toml", entry_text(entry))
    for file_name, file in found.items():
        _place(file, resource_folder(name) / file_name)
    return entry


def _files(path: Path, plugin: str | None) -> dict[str, Path]:
    """Return {name: file} of a file and what its plugin reads beside it, or of a folder's files."""
    if path.is_file():
        known = installed().components("encoder").get(plugin or "")
        return {one.relative_to(path.parent).as_posix(): one for one in checkpoint_files(path, known)}
    files = {one.relative_to(path).as_posix(): one for one in folder_files(path)} if path.is_dir() else {}
    if not files:
        raise ResourceError(f"{path} is neither a file nor a folder with files. Give what is to be recorded.")
    return files


def _known(path: Path, found: Mapping[str, Path], registry: Registry) -> str | None:
    """Return the id of the entry that records this content, if there is one."""
    try:
        return registry.recorded(path, list(found.values())).id
    except ResourceError:
        return None


def _slug(path: Path) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", (path.name if path.is_dir() else path.stem).lower()).strip("-.")


def _matched(entry: Resource, path: Path, found: Mapping[str, Path]) -> dict[str, Path]:
    """Return {name in the entry: file}; a single file may have any name, others must have the recorded ones."""
    if path.is_file() and len(entry.files) == len(found) == 1:
        return {entry.files[0].name: path}
    if path.is_file() and len(found) == 1:
        return {entry.file(path.name).name: path}
    if lost := [file.name for file in entry.files if file.name not in found]:
        raise ResourceError(f"{path} lacks {lost[0]}. {entry.id} is {', '.join(file.name for file in entry.files)}.")
    return {file.name: found[file.name] for file in entry.files}


def _completed(entry: Resource, found: Mapping[str, Path]) -> Resource:
    """Return the entry with the hashes that it lacks; raises ResourceError where a recorded one is contradicted."""
    files = []
    for file in entry.files:
        path = found.get(file.name)
        if path and (problem := difference(file, path)):
            raise ResourceError(f"{problem} It is not {file.name} of {entry.id}: nothing was changed.")
        if path and file.sha256 is None:
            before = f"; its MD5 {file.evidence or entry.evidence}" if file.md5 else ""
            update = {"size": path.stat().st_size, "sha256": content_digest(path), "evidence": f"{COMPUTED}{before}"}
            file = file.model_copy(update=update)
        files.append(file)
    return entry.model_copy(update={"files": tuple(files)})


def _new(name: str, path: Path, found: Mapping[str, Path], registry: Registry, said: Mapping[str, Any]) -> Resource:
    """Return a new entry for files."""
    if missing := [key for key in NEEDED if not said.get(key) and not said.get("own")]:
        raise ResourceError(
            f"The registry has no entry {name!r} and none with this hash. A new one needs --{', --'.join(missing)}: "
            "where it is published, under which licence, and which plugin reads it. Of a file that you made yourself "
            "--own says enough."
        )
    values: dict[str, Any] = {"id": name, "title": path.name, "kind": "checkpoint", **said}
    values["folder"] = path.is_dir() or len(found) > 1
    if not values.get("revision") and not values.get("own"):
        values["notes"] = "No revision was given when this was added."
    values["files"] = [_described(file_name, file) for file_name, file in found.items()]
    return make_entry(values, f"{registry.home / name}.toml")


def _described(name: str, path: Path) -> dict[str, Any]:
    described = File.model_construct(
        name=name, size=path.stat().st_size, sha256=content_digest(path), evidence=COMPUTED
    )
    return described.model_dump(exclude_none=True)


def _place(file: Path, target: Path) -> None:
    """Put a file where it belongs, by a hard link where the file system allows it, else by a copy."""
    if target.exists() and target.samefile(file):
        return
    with atomic_path(target) as temporary:
        try:
            os.link(file.resolve(), temporary)
        except OSError:
            shutil.copyfile(file, temporary)
