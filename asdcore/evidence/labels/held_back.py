"""Test clips that chose the weights of a portfolio, and so must not judge it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl

from asdcore.basics.recording_parts import is_whole, recording_name
from asdcore.data.audio import file_digest
from asdcore.errors import DataError, EvaluationError
from asdcore.runs.folder import Run
from asdcore.runs.sounds import with_sounds
from asdcore.runs.trials import Trials


def held_back(*runs: Run) -> frozenset[str]:
    """Return the test clips by which ``asdcore select --known-faults`` has chosen the weights of any of these runs.

    Copies of them in another format are among these: files of the same sound. So are parts and windows of a recording
    that has chosen.

    Raises EvaluationError if no other test clip is left.
    """
    clips: set[str] = set()
    for run in runs:
        if chosen_by := run.about["portfolio"].get("known_faults"):
            test = run.clips.filter(pl.col("split") == "test")
            clips |= set(test.filter(pl.col("sha256").is_in(list(chosen_by["faults"])))["clip"])
            clips |= _parts_of(chosen_by["faults"], run, test["clip"].to_list())
            if sounds := chosen_by.get("sounds"):
                clips |= set(with_sounds(run, test).filter(pl.col("sound").is_in(list(sounds)))["clip"])
            if len(clips) == len(test):
                raise EvaluationError(
                    f"Every test clip of {run.folder} has chosen the weights of its portfolio, so none is left to "
                    "judge it. Evaluate on clips that --known-faults has not seen."
                )
    return frozenset(clips)


def _parts_of(chose: Container[str], run: Run, clips: Iterable[str]) -> set[str]:
    """Return the clips that are parts of files with such digests; files that are gone are of none."""
    root, parts = Path(run.about["data"]), defaultdict[str, set[str]](set)
    for clip in clips:
        if not is_whole(clip):
            parts[recording_name(clip)].add(clip)
    found = set[str]()
    for name, of_recording in parts.items():
        with suppress(DataError, OSError):
            found |= of_recording if file_digest(root / name) in chose else set()
    return found


def held_back_note(finished: Run | Trials) -> list[str]:
    """Return a line that says how many clips are left out, if there are any."""
    n_clips = len(held_back(finished.first if isinstance(finished, Trials) else finished))
    what = "clip that has" if n_clips == 1 else "clips that have"
    return [f"{n_clips} test {what} chosen the weights (known faults) left out."] if n_clips else []
