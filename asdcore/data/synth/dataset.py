"""Writes a synthetic set as a folder of DCASE 2026, on one or several processes.

A marker file at the root names the set that the folder holds, so that an interrupted run is not taken for other data.
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
from asdcore.execution import check_number, executor, run_jobs
from asdcore.store.disk.atomic import PREFIX, disk_trouble, remove_orphans, write_bytes

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
    """Write a set of synthetic two-channel machine sounds, laid out like DCASE 2026.

    An interrupted call can be repeated: it keeps the clips that are there. One process at a time may write to a folder.

    Parameters
    ----------
    root : pathlib.Path
        The folder to write to: empty, new, or holding the same set.
    profile : {"tiny", "demo", "full"}
        How large the set is: 3 machines with clips of 1 s, 7 with 2 s, or 7 with 10 s and 1,000 train clips each.
    seed : int, default 0
        The same seed and profile give the same bytes.
    workers : int, default 1
        Processes. The bytes do not depend on it. More than one starts fresh interpreters, so a script that calls this
        needs the usual ``if __name__ == "__main__":``.
    on_clip : callable, optional
        Called once for every clip of the set, also for those that an interrupted call had written.

    Returns
    -------
    pathlib.Path
        ``root``.

    Raises
    ------
    DataError
        If the folder holds something else, or there is no such profile.

    References
    ----------
    The machines follow MIMII (H. Purohit et al., 2019), MIMII DG (K. Dohi et al., 2022) and ToyADMOS2 (N. Harada
    et al., 2021).

    Examples
    --------
    >>> root = asdcore.synthesize("made", profile="tiny")
    >>> sorted(path.name for path in root.iterdir() if path.is_dir())
    ['SynBearing', 'SynFan', 'SynValve']
    >>> len(list(root.glob("SynFan/train/*.wav")))
    50

    """
    size, root = profile_named(profile), given_path(root, "the folder")
    check_number(workers)
    clips = list(size.clips())
    with disk_trouble(root):
        _claim(root, {"profile": profile, "seed": seed, "generation": GENERATION})
    for machine in size.machines:
        own = [clip for clip in clips if clip.machine == machine]
        write_bytes(root / machine / "attributes_00.csv", _attributes(own))
    chunks = [clips[start : start + _CHUNK] for start in range(0, len(clips), _CHUNK)]
    with executor(workers) as pool:
        for done in run_jobs(pool, functools.partial(write_clips, root, size, seed), chunks):
            for _ in range(done):
                (on_clip or (lambda: None))()
    return root


def _claim(root: Path, marker: dict[str, str | int]) -> None:
    """Mark an empty folder as this set, or check that it is marked so; remove leftovers of a killed run."""
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file. Give a folder that is empty or does not exist yet.")
    held = sorted(path.name for path in root.iterdir()) if root.exists() else []
    if all(name.startswith(PREFIX) for name in held):
        write_bytes(root / MARKER, json.dumps(marker, sort_keys=True).encode())
    present = _marker(root)
    if present is None:
        raise DataError(
            f"{root} is not empty and holds no synthetic set (found {', '.join(held[:3])}{', ...' if held[3:] else ''})"
            ". Nothing was written. Give a folder that is empty or does not exist yet."
        )
    if present != marker:
        raise DataError(
            f"{root} holds another synthetic set: {present}, not {marker}. Nothing was written. Give another folder, "
            "or delete this one first."
        )
    remove_orphans(root)


def _marker(root: Path) -> object:
    try:
        return parse_json((root / MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_clips(root: Path, profile: Profile, seed: int, clips: Sequence[Clip]) -> int:
    """Write the clips that are not there yet, and return the number of all clips."""
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
