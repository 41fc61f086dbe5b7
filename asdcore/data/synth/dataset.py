"""Writes a synthetic set as a folder of DCASE 2026, on one or several processes.

A marker file at the root says which set the folder holds, so that an interrupted run can be told from someone's data.
Every file is written under a temporary name and renamed: a file with its final name is complete.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

from asdcore.basics.parse import parse_json
from asdcore.basics.paths import given_path
from asdcore.data.synth.clip import render
from asdcore.data.synth.profiles import Clip, Profile, profile_named
from asdcore.data.synth.signals import SAMPLE_RATE
from asdcore.errors import DataError
from asdcore.execution import executor, run_jobs
from asdcore.store.atomic import PREFIX, disk_trouble, remove_orphans, write_bytes

MARKER = ".asdcore-synth.json"
GENERATION = 2
"""Goes up whenever the same seed gives other samples, so that no folder mixes two generations."""

_WAV_HEADER_BYTES = 44
_CHUNK = 16


def synthesize(
    root: Path,
    profile: str = "demo",
    seed: int = 0,
    workers: int = 1,
    on_clip: Callable[[], None] | None = None,
) -> Path:
    """Write a set of two-channel machine sounds to ``root`` and return ``root``.

    ``on_clip`` is called once for every clip of the set, also for those an interrupted run had written. The bytes do
    not depend on ``workers``; more than one starts fresh interpreters, so that a script which calls this needs the
    usual ``if __name__ == "__main__":``. One process at a time may write to a folder.
    """
    size, root = profile_named(profile), given_path(root, "the folder")
    clips = list(size.clips())
    with disk_trouble(root):
        _claim(root, {"profile": profile, "seed": seed, "generation": GENERATION})
    for machine in size.machines:
        write_bytes(root / machine / "attributes_00.csv", _attributes([one for one in clips if one.machine == machine]))
    chunks = [clips[start : start + _CHUNK] for start in range(0, len(clips), _CHUNK)]
    with executor(workers) as pool:
        for done in run_jobs(pool, functools.partial(write_clips, root, size, seed), chunks):
            for _ in range(done):
                (on_clip or (lambda: None))()
    return root


def _claim(root: Path, marker: dict[str, str | int]) -> None:
    """Mark an empty folder as this set, or make sure that it is marked so; sweep what a killed run left."""
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file. Give a folder that is empty or does not exist yet.")
    held = sorted(path.name for path in root.iterdir()) if root.exists() else []
    if all(name.startswith(PREFIX) for name in held):
        write_bytes(root / MARKER, json.dumps(marker, sort_keys=True).encode())
    found = _marker(root)
    if found is None:
        raise DataError(
            f"{root} is not empty and holds no synthetic set (found {', '.join(held[:3])}{', ...' if held[3:] else ''})"
            ". Nothing was written. Give a folder that is empty or does not exist yet."
        )
    if found != marker:
        raise DataError(
            f"{root} holds another synthetic set: {found}, not {marker}. Nothing was written. Give another folder, or "
            "delete this one first."
        )
    remove_orphans(root)


def _marker(root: Path) -> object:
    try:
        return parse_json((root / MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_clips(root: Path, profile: Profile, seed: int, clips: Sequence[Clip]) -> int:
    """Write those of the clips that are not there yet, and return the number of clips."""
    size = _WAV_HEADER_BYTES + 4 * profile.n_samples
    for clip in clips:
        path = root / clip.path
        if not (path.exists() and path.stat().st_size == size):
            write_bytes(path, _wav(profile, seed, clip))
    return len(clips)


def _wav(profile: Profile, seed: int, clip: Clip) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(render(profile, seed, clip).T.tobytes())
    return buffer.getvalue()


def _attributes(clips: Sequence[Clip]) -> bytes:
    """Return attributes_00.csv: which attribute value each clip of a machine was made with."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file_name", "d1p", "d1v"])
    rows.writerows([clip.path, clip.attribute, clip.value] for clip in clips)
    return text.getvalue().encode()
