"""Datasets from archives: each is downloaded, checked, unpacked into ``ROOT/<machine>/``, and noted in the root.

``ROOT/.archives.json`` says which archives a dataset was made of, with the SHA-256 of each, and of which registry
entry: what is noted there is not downloaded again, and a root takes the archives of one challenge year alone, since
machines of other years have the same names and other sound.

An archive is unpacked beside the machine's folder and moved in when all of it is there and whole (every member has its
CRC). A member that would land elsewhere, by ``..``, an absolute path, a drive or a link, condemns the archive. Hidden
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
from asdcore.errors import ResourceError, did_you_mean
from asdcore.progress import Progress, Silent
from asdcore.resources.downloads import FIRST, fetch
from asdcore.resources.entries import File, Resource
from asdcore.resources.registry import Registry, content_digest, resource_folder
from asdcore.store.atomic import check_writable, disk_trouble, fresh_folder, write_json
from asdcore.store.zips import DamagedError, blocks_of, opened_zip

NOTES = ".archives.json"
SPLITS = ("dev", "train", "eval")
"""The three records of a challenge year: development data, additional training data, evaluation data."""

DEEPEST, LONGEST = 32, 200
"""How many folders deep a member may lie, and how long a name in its path may be, in bytes."""

SOUND = (".wav", ".flac")
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
    if strangers := {one["task"] for one in notes.values()} - tasks:
        raise ResourceError(
            f"{root} holds data of {', '.join(sorted(strangers))}, and machines of other years have the same names. "
            "Choose another folder with --out."
        )


def _digest(archive: Path) -> str:
    try:
        return content_digest(archive)
    except FileNotFoundError:
        raise ResourceError(f"{archive} was removed by somebody else. Run this again.") from None


@contextmanager
def _trusted_no_more(archive: Path, file: File) -> Iterator[None]:
    """Forget the hash of a first download that proves unfit, where nothing else says what the file must be."""
    try:
        yield
    except UnfitError:
        if file.check == "none":
            archive.with_name(f"{archive.name}{FIRST}").unlink(missing_ok=True)
        raise


def _resources(name: str, registry: Registry, split: str | None) -> list[Resource]:
    """Return the datasets of a task, or the one entry of this id."""
    datasets = {one.id: one for one in registry.entries("dataset") if one.use.get("split") in SPLITS}
    found = [one for one in datasets.values() if name in (one.plugin, one.id)]
    if not found:
        known = {*datasets, *(one.plugin for one in datasets.values())}
        raise ResourceError(f"No dataset is named {name!r}. {did_you_mean(name, known)}")
    kept = [one for one in found if split in (None, one.use["split"])]
    if not kept:
        splits = ", ".join(str(one.use["split"]) for one in found)
        raise ResourceError(f"{name} has no split {split!r}; it has {splits}.")
    return sorted(kept, key=lambda one: SPLITS.index(str(one.use["split"])))


def _wanted(resources: list[Resource], machines: Sequence[str]) -> list[tuple[Resource, File]]:
    """Return the archives of the machines asked for."""
    every = [(resource, file) for resource in resources for file in resource.files if file.machine]
    known = {str(file.machine) for _, file in every}
    for machine in machines:
        if machine not in known:
            raise ResourceError(f"No archive holds the machine {machine!r}. {did_you_mean(machine, known)}")
    return [(resource, file) for resource, file in every if not machines or file.machine in machines]


def _read_notes(root: Path) -> dict[str, Any]:
    """Return {archive name: what is noted of it}."""
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
    """Unpack what a zip file holds below a folder ``machine`` into ``root/machine``; returns the number of files.

    Files that are there already with the same content are left. Raises ResourceError, with nothing changed, where the
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
        raise UnfitError(f"{archive} is damaged or no zip file ({error}). {advice}") from error
    except FileNotFoundError as error:
        raise ResourceError(f"{archive} was removed by somebody else. Run this again.") from error


class UnfitError(ResourceError):
    """An archive that can never be unpacked as what it is to be."""


def _members(opened: zipfile.ZipFile, archive: Path, machine: str) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return (member, its path below the machine's folder) of every file; raises UnfitError for an unsafe member."""
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in opened.infolist():
        path = PurePosixPath(info.filename)
        if reason := _unsafe(info, path):
            raise UnfitError(f"{archive} is not unpacked: its member {info.filename[:200]!r} {reason}.")
        if info.is_dir() or machine not in path.parts[:-1] or any(part.startswith(ASIDE) for part in path.parts):
            continue
        inside = PurePosixPath(*path.parts[path.parts.index(machine) + 1 :])
        if inside in found:
            raise UnfitError(f"{archive} is not unpacked: two of its members are {machine}/{inside}.")
        found[inside] = info
    if not found:
        raise UnfitError(f"{archive} holds no folder {machine!r}: it is not an archive of that machine.")
    if clash := next((one for path in found for one in path.parents if one in found), None):
        raise UnfitError(f"{archive} is not unpacked: its member {machine}/{clash} is a file and a folder.")
    return [(info, inside) for inside, info in found.items()]


def _unsafe(info: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    """Say what is wrong with a member's name or kind, or return None."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in info.orig_filename or ":" in info.filename:
        return "would land outside its folder"
    if "\0" in info.orig_filename or not info.filename.isprintable():
        return "has a name that cannot be printed"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if len(path.parts) > DEEPEST or any(len(os.fsencode(part)) > LONGEST for part in path.parts):
        return f"lies more than {DEEPEST} folders deep, or has a name of more than {LONGEST} bytes"
    return "is encrypted" if info.flag_bits & 1 else None


def _check_space(root: Path, needed: int) -> None:
    there = next(one for one in (root, *root.absolute().parents) if one.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise ResourceError(
            f"{needed:,} bytes are to be unpacked into {root}, which has {free:,} left. Free some space."
        )


def _move_in(stage: Path, home: Path, archive: Path) -> None:
    """Move unpacked files to where they belong; a whole folder at once where there is none yet."""
    with disk_trouble(home):
        moves = []
        for path in sorted(one for one in stage.rglob("*") if one.is_file()):
            target = home / path.relative_to(stage)
            if _is_other(path, target):
                if target.suffix.lower() in SOUND:
                    raise ResourceError(
                        f"{target} is there with other sound than in {archive}: they are of different datasets. "
                        "Choose another folder with --out, or move that file away."
                    )
                # Two archives of one machine may each bring a table of its clips: both are kept.
                target = target.with_name(f"{target.stem}.{archive.stem}{target.suffix}")
                if _is_other(path, target):
                    raise ResourceError(
                        f"{target} is there with other content than in {archive}. Choose another folder with --out, or "
                        "move that file away."
                    )
            moves.append((path, target))
        for folder in [one for one in stage.iterdir() if one.is_dir() and not (home / one.name).exists()]:
            home.mkdir(parents=True, exist_ok=True)
            folder.replace(home / folder.name)
        for path, target in moves:
            if path.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)


def _is_other(path: Path, target: Path) -> bool:
    """Whether something else than a file with the same content is there."""
    if target.is_file():
        return not filecmp.cmp(path, target, shallow=False)
    return target.exists() or target.is_symlink()
