"""Add a local file or folder to the registry: record its hash in an entry, and put it where resources lie.

A size or hash that contradicts a recorded one is refused. An entry that lacks a hash gets it, in the user's own
registry.
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
from asdcore.store.disk.atomic import atomic_path, write_text

NEEDED = ("source", "licence", "plugin")
OWN = "own"
GRAPHS = {".onnx": "onnx", ".tflite": "onnx"}
"""Which plugin reads your own file, by the end of its name."""
COMPUTED = "computed: from a local file, by 'asdcore registry add'"


def add(
    path: Path, registry: Registry, identifier: str | None = None, *, own: bool = False, **description: str
) -> Resource:
    """Record a file's (or a folder's files') size and hash, put it in place, and return its entry.

    identifier : id of the entry to complete or to make; by default the entry that records the hash, else a new one
    named after the file. description : what a new entry says; ``source``, ``licence`` and ``plugin`` are needed, unless
    it is your ``own``. Raises ResourceError.
    """
    given = [*description, *["own"] * own]
    if own:
        description = {"licence": OWN, "plugin": GRAPHS.get(path.suffix.lower(), OWN), **description}
    files = _files(path, description.get("plugin"))
    name = identifier or _known(path, files, registry) or _slug(path)
    recorded = registry.resources.get(name)
    if recorded and given:
        raise ResourceError(
            f"{name} is in the registry: --{', --'.join(given)} can only describe a new entry. Leave that out, or "
            "choose another --id."
        )
    if recorded:
        files = _matched(recorded, path, _files(path, recorded.plugin))
        entry = _completed(recorded, files)
    else:
        entry = _new(name, path, files, registry, {**description, "own": own} if own else description)
    if entry != recorded:
        write_text(registry.home / f"{name}.toml", entry_text(entry))
    for file_name, file in files.items():
        _place(file, resource_folder(name) / file_name)
    return entry


def _files(path: Path, plugin: str | None) -> dict[str, Path]:
    """Return {name: file} of a file and what its plugin reads beside it, or of a folder's files."""
    if path.is_file():
        component = installed().components("encoder").get(plugin or "")
        return {file.relative_to(path.parent).as_posix(): file for file in checkpoint_files(path, component)}
    files = {file.relative_to(path).as_posix(): file for file in folder_files(path)} if path.is_dir() else {}
    if not files:
        raise ResourceError(f"{path} is neither a file nor a folder with files. Give what is to be recorded.")
    return files


def _known(path: Path, files: Mapping[str, Path], registry: Registry) -> str | None:
    """Return the id of the entry that records this content, if there is one."""
    try:
        return registry.recorded(path, list(files.values())).id
    except ResourceError:
        return None


def _slug(path: Path) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", (path.name if path.is_dir() else path.stem).lower()).strip("-.")


def _matched(entry: Resource, path: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return {name in the entry: file}; a single file may have any name, others must have the recorded ones."""
    if path.is_file() and len(entry.files) == len(files) == 1:
        return {entry.files[0].name: path}
    if path.is_file() and len(files) == 1:
        return {entry.file(path.name).name: path}
    if lost := [file.name for file in entry.files if file.name not in files]:
        raise ResourceError(f"{path} lacks {lost[0]}. {entry.id} is {', '.join(file.name for file in entry.files)}.")
    return {file.name: files[file.name] for file in entry.files}


def _completed(entry: Resource, files_by_name: Mapping[str, Path]) -> Resource:
    """Return the entry with the hashes that it lacks; raises ResourceError if a recorded one is contradicted."""
    files = []
    for file in entry.files:
        path = files_by_name.get(file.name)
        if path and (problem := difference(file, path)):
            raise ResourceError(f"{problem} It is not {file.name} of {entry.id}: nothing was changed.")
        if path and file.sha256 is None:
            before = f"; its MD5 {file.evidence or entry.evidence}" if file.md5 else ""
            update = {"size": path.stat().st_size, "sha256": content_digest(path), "evidence": f"{COMPUTED}{before}"}
            file = file.model_copy(update=update)
        files.append(file)
    return entry.model_copy(update={"files": tuple(files)})


def _new(
    name: str, path: Path, files: Mapping[str, Path], registry: Registry, description: Mapping[str, Any]
) -> Resource:
    """Return a new entry for files."""
    if missing := [key for key in NEEDED if not description.get(key) and not description.get("own")]:
        raise ResourceError(
            f"The registry has no entry {name!r} and none with this hash. A new one needs --{', --'.join(missing)}: "
            "where it is published, under which licence, and which plugin reads it. Of a file that you made yourself "
            "--own says enough."
        )
    values: dict[str, Any] = {"id": name, "title": path.name, "kind": "checkpoint", **description}
    values["folder"] = path.is_dir() or len(files) > 1
    if not values.get("revision") and not values.get("own"):
        values["notes"] = "No revision was given when this was added."
    values["files"] = [_described(file_name, file) for file_name, file in files.items()]
    return make_entry(values, f"{registry.home / name}.toml")


def _described(name: str, path: Path) -> dict[str, Any]:
    described = File.model_construct(
        name=name, size=path.stat().st_size, sha256=content_digest(path), evidence=COMPUTED
    )
    return described.model_dump(exclude_none=True)


def _place(file: Path, target: Path) -> None:
    """Put a file where it belongs, by a hard link if the file system allows it, else by a copy."""
    if target.exists() and target.samefile(file):
        return
    with atomic_path(target) as temporary:
        try:
            os.link(file.resolve(), temporary)
        except OSError:
            shutil.copyfile(file, temporary)
