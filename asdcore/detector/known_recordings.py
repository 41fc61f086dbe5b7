"""Compares recordings that are to be added as normal with known faults and with what a detector has learnt before."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.basics.recording_parts import recording_name
from asdcore.data.noticed import Noticed
from asdcore.errors import DataError
from asdcore.portfolio import Portfolio

LISTED = 3
"""Recordings that a message names."""


def check_no_known_faults(clips: pl.DataFrame, noticed: Noticed, plan: Portfolio, root: Path) -> None:
    """Raise DataError if new normals are faults by which ``asdcore select --known-faults`` has chosen the weights.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index of the new normals.
    noticed : Noticed
        The digests of their sound, by which copies in other formats are recognized.
    plan : Portfolio
        The detector's portfolio.
    root : Path
        Where the new normals lie.
    """
    chosen_by = plan.known_faults
    if chosen_by is None:
        return
    digests = dict(clips.select("clip", "sha256").rows())
    sounds = set(chosen_by.sounds)
    faults = [
        clip
        for clip, sha256 in digests.items()
        # What a window is cut from may be a fault as a whole.
        if sha256 in chosen_by.faults or {noticed.sounds.get(name) for name in (clip, recording_name(clip))} & sounds
    ]
    if faults:
        raise DataError(
            f"{len(faults)} of {len(clips)} new normals in {root} are known faults, which have chosen the weights of "
            f"the detector's portfolio: {_some(faults)}. Take them out of the folder: a sound is a fault or normal."
        )


def learnt_before(clips: pl.DataFrame, sha256: dict[str, str]) -> list[str]:
    """Return the clips that a detector has among its train normals, byte for byte.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index of the new normals.
    sha256 : dict of str to str
        {train normal of the detector: the SHA-256 of its recording}.
    """
    learnt = set(sha256.values())
    return [clip for clip, digest in clips.select("clip", "sha256").rows() if digest in learnt]


def learnt_note(learnt: list[str], n_clips: int, way: str) -> str:
    """Say how many of the new normals the detector has learnt before, and what that means."""
    means = "they are in both baselines now" if way == "second" else "they stay normal"
    return (
        f"{len(learnt)} of {n_clips} recordings are ones that the detector has learnt before: {_some(learnt)}; {means}."
    )


def _some(clips: list[str]) -> str:
    return ", ".join(clips[:LISTED]) + (f" and {len(clips) - LISTED} more" if len(clips) > LISTED else "")
