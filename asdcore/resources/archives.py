"""Fetch datasets: download archives, check them, and unpack them into ``ROOT/<machine>/``.

``ROOT/.archives.json`` notes the archives in a dataset, with their SHA-256 and registry entry: those are not downloaded
again. A root takes the archives of one challenge year only, since machines of other years have the same names and
another sound.

An archive is unpacked beside the machine's folder and moved in when it is complete (every member has its CRC). A
member that would land elsewhere, by ``..``, an absolute path, a drive or a link, makes the archive unfit. Hidden
files, ``__MACOSX/`` and what lies outside a folder named for the machine stay packed.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from asdcore.basics.parse import parse_json
from asdcore.basics.paths import SOUNDS
from asdcore.errors import ResourceError, did_you_mean
from asdcore.progress import Progress, Silent
from asdcore.resources.downloads import FIRST, fetch
from asdcore.resources.entries import File, Resource
from asdcore.resources.registry import Registry, content_digest, resource_folder
from asdcore.store.disk.atomic import check_writable, disk_trouble, fresh_folder, write_json
from asdcore.store.disk.zips import DamagedError, blocks_of, opened_zip

NOTES = ".archives.json"
SPLITS = ("dev", "train", "eval")
"""The three records of a challenge year: development data, additional training data, evaluation data."""

DEEPEST, LONGEST = 32, 200
"""How many folders deep a member may lie, and how long a name in its path may be, in bytes."""

ASIDE = (".", "__MACOSX")


def fetch_data(
    name: str,
    root: Path,
    registry: Registry,
    *,
    machines: Sequence[str] = (),
    split: str | None = None,
    keep: bool = False,
    progress: Progress | None = None,
) -> int:
    """Download the archives of a task ("dcase2026") or of one entry, and unpack them into ``root``.

    machines : only these. split : "dev", "train" or "eval" alone. keep : keep the archives that are downloaded. Returns
    how many archives were unpacked; those that ``root`` has already are not touched. Raises ResourceError.
    """
    shown = progress or Silent()
    wanted = _wanted(_resources(name, registry, split), machines)
    check_writable(root)
    notes = _read_notes(root)
    _check_year(root, notes, {resource.plugin for resource, _ in wanted})
    unpacked = 0
    for resource, file in wanted:
        assert file.machine is not None  # of every archive, or its entry would not have loaded
        if file.name in notes and (root / file.machine).is_dir():
            continue
        had = (resource_folder(resource.id) / file.name).is_file()
        (archive,) = fetch(resource, shown, (file,))
        digest = _digest(archive)
        with shown.stage(f"unpack {file.machine}", 0) as advance, _trusted_no_more(archive, file):
            advance(unpack(archive, file.machine, root))
        about = {"task": resource.plugin, "entry": resource.id, "sha256": digest}
        notes[file.name] = about | {"checked_by": file.check}
        write_json(root / NOTES, notes)
        if not (had or keep):
            archive.unlink(missing_ok=True)
        unpacked += 1
    return unpacked


def _check_year(root: Path, notes: dict[str, Any], tasks: set[str]) -> None:
    if strangers := {note["task"] for note in notes.values()} - tasks:
        raise ResourceError(
            f"{root} holds data of {', '.join(sorted(strangers))}, and machines of other years have the same names. "
            "Choose another folder with --out."
        )


def _digest(archive: Path) -> str:
    try:
        return content_digest(archive)
    except FileNotFoundError:
        raise ResourceError(f"{archive} was removed by another process. Run this again.") from None


@contextmanager
def _trusted_no_more(archive: Path, file: File) -> Iterator[None]:
    """Forget the hash of a first download that proves unfit, if the registry records no hash."""
    try:
        yield
    except UnfitError:
        if file.check == "none":
            archive.with_name(f"{archive.name}{FIRST}").unlink(missing_ok=True)
        raise


def _resources(name: str, registry: Registry, split: str | None) -> list[Resource]:
    """Return the datasets of a task, or the one entry of this id."""
    datasets = {entry.id: entry for entry in registry.entries("dataset") if entry.use.get("split") in SPLITS}
    matching = [entry for entry in datasets.values() if name in (entry.plugin, entry.id)]
    if not matching:
        names = {*datasets, *(entry.plugin for entry in datasets.values())}
        raise ResourceError(f"No dataset is named {name!r}. {did_you_mean(name, names)}")
    kept = [entry for entry in matching if split in (None, entry.use["split"])]
    if not kept:
        splits = ", ".join(str(entry.use["split"]) for entry in matching)
        raise ResourceError(f"{name} has no split {split!r}; it has {splits}.")
    return sorted(kept, key=lambda entry: SPLITS.index(str(entry.use["split"])))


def _wanted(resources: list[Resource], machines: Sequence[str]) -> list[tuple[Resource, File]]:
    """Return the archives of the machines asked for."""
    every = [(resource, file) for resource in resources for file in resource.files if file.machine]
    names = {str(file.machine) for _, file in every}
    for machine in machines:
        if machine not in names:
            raise ResourceError(f"No archive holds the machine {machine!r}. {did_you_mean(machine, names)}")
    return [(resource, file) for resource, file in every if not machines or file.machine in machines]


def _read_notes(root: Path) -> dict[str, Any]:
    """Return {archive name: its note}."""
    path = root / NOTES
    if path.exists() and not path.is_file():
        raise ResourceError(f"{path} is not a regular file. Move it away, then fetch again.")
    if not path.is_file():
        return {}
    try:
        notes = parse_json(path.read_text(encoding="utf-8"))
        return {name: {**note, "task": str(note["task"])} for name, note in notes.items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise ResourceError(
            f"{path} cannot be read ({type(error).__name__}). Remove it with 'rm {path}' to have all fetched again."
        ) from error


def unpack(archive: Path, machine: str, root: Path) -> int:
    """Unpack the folder ``machine`` of a zip file into ``root/machine``; returns the number of files.

    Existing files with the same content are left. Raises ResourceError, with nothing changed, if the
    archive is damaged or unsafe, or a sound file of the same name is there with other content.
    """
    advice = f"Remove it with 'rm {archive}' and fetch it again."
    home = root / machine
    try:
        with opened_zip(archive) as opened, fresh_folder(home) as stage:
            members = _members(opened, archive, machine)
            _check_space(root, sum(info.file_size for info, _ in members))
            for info, inside in members:
                target = stage / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    for block in blocks_of(opened, info):
                        file.write(block)
            _move_in(stage, home, archive)
            return len(members)
    except DamagedError as error:
        raise UnfitError(f"{archive} is damaged or not a zip file ({error}). {advice}") from error
    except FileNotFoundError as error:
        raise ResourceError(f"{archive} was removed by another process. Run this again.") from error


class UnfitError(ResourceError):
    """An archive is damaged, unsafe, or of another machine."""


def _members(opened: zipfile.ZipFile, archive: Path, machine: str) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return (member, its path below the machine's folder) of every file; raises UnfitError for an unsafe member."""
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in opened.infolist():
        path = PurePosixPath(info.filename)
        if reason := _unsafe(info, path):
            raise UnfitError(f"{archive} is not unpacked: its member {info.filename[:200]!r} {reason}.")
        if info.is_dir() or machine not in path.parts[:-1] or any(part.startswith(ASIDE) for part in path.parts):
            continue
        inside = PurePosixPath(*path.parts[path.parts.index(machine) + 1 :])
        if inside in members:
            raise UnfitError(f"{archive} is not unpacked: two of its members are {machine}/{inside}.")
        members[inside] = info
    if not members:
        raise UnfitError(f"{archive} has no folder {machine!r}: it is not an archive of that machine.")
    if clash := next((parent for path in members for parent in path.parents if parent in members), None):
        raise UnfitError(f"{archive} is not unpacked: its member {machine}/{clash} is a file and a folder.")
    return [(info, inside) for inside, info in members.items()]


def _unsafe(info: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    """Return what is wrong with a member's name or kind, or None."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in info.orig_filename or ":" in info.filename:
        return "would land outside its folder"
    if "\0" in info.orig_filename or not info.filename.isprintable():
        return "has an unprintable name"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if len(path.parts) > DEEPEST or any(len(os.fsencode(part)) > LONGEST for part in path.parts):
        return f"lies more than {DEEPEST} folders deep, or has a name of more than {LONGEST} bytes"
    return "is encrypted" if info.flag_bits & 1 else None


def _check_space(root: Path, needed: int) -> None:
    there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise ResourceError(
            f"{needed:,} bytes are to be unpacked into {root}, which has {free:,} left. Free some space."
        )


def _move_in(stage: Path, home: Path, archive: Path) -> None:
    """Move unpacked files into the machine's folder; a new folder is moved at once."""
    with disk_trouble(home):
        moves = []
        for path in sorted(file for file in stage.rglob("*") if file.is_file()):
            target = home / path.relative_to(stage)
            if _is_other(path, target):
                if target.suffix.lower() in SOUNDS:
                    raise ResourceError(
                        f"{target} exists with another sound than in {archive}: they are of different datasets. "
                        "Choose another folder with --out, or move that file away."
                    )
                # Two archives of one machine may each bring a table of its clips: both are kept.
                target = target.with_name(f"{target.stem}.{archive.stem}{target.suffix}")
                if _is_other(path, target):
                    raise ResourceError(
                        f"{target} exists with other content than in {archive}. Choose another folder with --out, or "
                        "move that file away."
                    )
            moves.append((path, target))
        for folder in [path for path in stage.iterdir() if path.is_dir() and not (home / path.name).exists()]:
            home.mkdir(parents=True, exist_ok=True)
            folder.replace(home / folder.name)
        for path, target in moves:
            if path.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)


def _is_other(path: Path, target: Path) -> bool:
    """Whether ``target`` exists and is not a file with the same content."""
    if target.is_file():
        return not filecmp.cmp(path, target, shallow=False)
    return target.exists() or target.is_symlink()
