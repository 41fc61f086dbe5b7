"""The file of an adapted detector: a zip of whole detectors, and of what says which of them judges which machine.

    adapted.json      sealed: the format, the SHA-256 of every detector inside, the baselines of every machine and
                      section, and the history: what was adapted from which file, with which recordings
    <digest>.asd      a detector, byte for byte as it was exported, named after its manifest

A detector inside is checked as it would be alone (:mod:`asdcore.detector.container`), so an old baseline judges to the
last bit as before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.basics.parse import parse_json
from asdcore.errors import ManifestError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed
from asdcore.store.disk.zips import Content, DamagedError, blocks_of, opened_zip, write_stored

FORMAT = 1
ABOUT = "adapted.json"
LARGEST_ABOUT = 1 << 28
PART = re.compile(r"[0-9a-f]{16}\.asd")
CellName = tuple[str, str]
"""Machine and section."""


@dataclass(frozen=True)
class AdaptedFile:
    """What an adapted detector's file says, once it was checked.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        The SHA-256 (hex) of ``adapted.json``.
    baselines : dict of tuple to list of str
        {(machine, section): the detectors that judge it, the oldest first}.
    history : list of dict
        One entry for each adaptation, the first one first.
    margins : dict
        {detector: {system: {audio digest: score minus threshold}}}: what the baselines before a second one said of its
        train normals.
    """

    path: Path
    sha256: str
    baselines: dict[CellName, list[str]]
    history: list[dict[str, Any]]
    margins: dict[str, dict[str, dict[str, float]]]


def part_name(manifest_sha256: str) -> str:
    """Return the name of a detector inside."""
    return f"{manifest_sha256[:16]}.asd"


def is_adapted(path: Path) -> bool:
    """Whether a file is a zip that holds ``adapted.json``."""
    try:
        if not path.is_file():
            return False
        with opened_zip(path) as opened:
            return ABOUT in opened.namelist()
    except (DamagedError, OSError):
        return False


def write_adapted(
    path: Path,
    parts: Mapping[str, Path],
    baselines: Mapping[CellName, list[str]],
    history: list[dict[str, Any]],
    margins: Mapping[str, Any],
) -> None:
    """Write an adapted detector; ``parts`` are the files of the detectors inside, the rest as in `AdaptedFile`."""
    about = {
        "format": FORMAT,
        "parts": {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in parts.items()},
        "baselines": [[*cell, names] for cell, names in sorted(baselines.items())],
        "history": history,
        "margins": dict(margins),
        FIELD: unsealed(),
    }
    members: list[tuple[str, Content]] = [(ABOUT, seal(canonical_json(about))), *sorted(parts.items())]
    write_stored(path, members)


def open_adapted(path: Path, folder: Path) -> AdaptedFile:
    """Check an adapted detector's file, and unpack the detectors inside into a folder.

    Raises ManifestError if it was cut short or edited.
    """
    try:
        with opened_zip(path) as opened:
            info = opened.getinfo(ABOUT)
            if info.file_size > LARGEST_ABOUT:
                raise DamagedError(f"{ABOUT} has {info.file_size:,} bytes")
            content = b"".join(blocks_of(opened, info))
            about = _understood(content)
            if sorted(opened.namelist()) != sorted([ABOUT, *about["parts"]]):
                raise DamagedError("it holds other files than were written")
            for name, sha256 in about["parts"].items():
                digest = hashlib.sha256()
                with (folder / name).open("wb") as target:
                    for block in blocks_of(opened, opened.getinfo(name)):
                        digest.update(block)
                        target.write(block)
                if digest.hexdigest() != sha256:
                    raise DamagedError(f"{name}, a detector inside, is not the file that was written")
    except DamagedError as error:
        raise ManifestError(
            f"{path} was edited or damaged: {error}. Nothing of it is used. 'asdcore adapt OLD.asd --normals FOLDER "
            "--out NEW.asd' makes it anew."
        ) from None
    baselines = {(machine, section): parts for machine, section, parts in about["baselines"]}
    return AdaptedFile(path, hashlib.sha256(content).hexdigest(), baselines, about["history"], about["margins"])


def _understood(content: bytes) -> dict[str, Any]:
    """Return what ``adapted.json`` says; raises DamagedError if no adaptation wrote it."""
    try:
        about: dict[str, Any] = parse_json(content)
        if not is_sealed(content) or about["format"] != FORMAT:
            raise ValueError("its seal or format is another")
        parts, baselines = about["parts"], about["baselines"]
        if not parts or not all(PART.fullmatch(name) for name in parts):
            raise ValueError("it names no detector")
        if not baselines or not all(names and set(names) <= set(parts) for _, _, names in baselines):
            raise ValueError("it names a baseline that is not inside")
        if not isinstance(about["history"], list) or not isinstance(about["margins"], dict):
            raise ValueError("its history is missing")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{ABOUT}: {error}") from None
    return about
