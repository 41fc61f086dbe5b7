"""Test clips that chose the weights of a portfolio, and so must not judge it."""

from __future__ import annotations

import polars as pl

from asdcore.data.clip_index.same_sound import copies, cut_from
from asdcore.errors import EvaluationError
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
            digests = list(chosen_by["faults"]), chosen_by.get("sounds", [])
            clips |= copies(with_sounds(run, test), *digests) | cut_from(test, *digests)
            if len(clips) == len(test):
                raise EvaluationError(
                    f"Every test clip of {run.folder} has chosen the weights of its portfolio, so none is left to "
                    "judge it. Evaluate on clips that --known-faults has not seen."
                )
    return frozenset(clips)


def held_back_note(finished: Run | Trials) -> list[str]:
    """Return a line that says how many clips are left out, if there are any."""
    n_clips = len(held_back(finished.first if isinstance(finished, Trials) else finished))
    what = "clip that has" if n_clips == 1 else "clips that have"
    return [f"{n_clips} test {what} chosen the weights (known faults) left out."] if n_clips else []
