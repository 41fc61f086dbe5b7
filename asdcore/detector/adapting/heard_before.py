"""Compares recordings with what a detector has learnt, and those to be added as normal also with known faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.recording_parts import part_digest, part_name
from asdcore.data.clip_index.same_sound import SOUND, copies, cut_from
from asdcore.data.recordings.audio import digest_of
from asdcore.detector.baselines import KnownMachine
from asdcore.errors import DataError
from asdcore.portfolio import Portfolio

LISTED = 3
"""Recordings that a message names."""


def check_no_known_faults(clips: pl.DataFrame, plan: Portfolio, root: Path) -> None:
    """Raise DataError if new normals are faults by which ``asdcore select --known-faults`` has chosen the weights.

    Parameters
    ----------
    clips : polars.DataFrame
        The clip index of the new normals, with the digests of their sound.
    plan : Portfolio
        The detector's portfolio.
    root : Path
        Where the new normals lie.
    """
    chosen_by = plan.known_faults
    if chosen_by is None:
        return
    digests = list(chosen_by.faults), chosen_by.sounds
    # What a window is cut from may be a fault as a whole.
    if faults := sorted(copies(clips, *digests) | cut_from(clips, *digests)):
        raise DataError(
            f"{len(faults)} of {len(clips)} new normals in {root} are known faults, which have chosen the weights of "
            f"the detector's portfolio: {_some(faults)}. Take them out of the folder: a sound is a fault or normal."
        )


def learnt_before(clips: pl.DataFrame, machine: KnownMachine) -> dict[str, str]:
    """Return the clips that a detector has learnt: {clip: the train normal of the same file, or of the same sound}.

    Parameters
    ----------
    clips : polars.DataFrame
        The columns ``clip`` and ``sha256``, and ``sound`` if it is known.
    machine : KnownMachine
        What the detector knows of the machine.
    """
    of_files = {sha256: normal for normal, sha256 in machine.sha256.items()}
    of_sounds = machine.sounds
    rows = clips.select("clip", "sha256", SOUND if SOUND in clips.columns else pl.lit(None).alias(SOUND)).rows()
    normals = {clip: of_files.get(sha256) or of_sounds.get(sound) for clip, sha256, sound in rows}
    return {clip: normal for clip, normal in normals.items() if normal}


def learnt_note(learnt: Collection[str], n_clips: int, way: str) -> str:
    """Say how many of the new normals the detector has learnt before, and what that means."""
    means = "they are in both baselines now" if way == "second" else "they stay normal"
    return (
        f"{len(learnt)} of {n_clips} recordings are ones that the detector has learnt before: {_some(learnt)}; {means}."
    )


def heard_again_note(learnt: Mapping[str, str]) -> str:
    """Say which clips a detector has learnt, when it is asked for their scores."""
    clip, normal = next(iter(learnt.items()))
    are = "1 clip is a train normal" if len(learnt) == 1 else f"{len(learnt)} clips are train normals"
    return (
        f"{are} of this detector, in the same file or another of the same sound: {_some(learnt)} ({clip} is {normal}). "
        "What was learnt scores low, so its score and p-value say nothing of new sound."
    )


class LearntSound:
    """Tells whether a window of sound that comes in is what a detector has learnt.

    Parameters
    ----------
    machine : KnownMachine
        What the detector knows of the machine.
    """

    def __init__(self, machine: KnownMachine) -> None:
        self._files = {sha256: normal for normal, sha256 in machine.sha256.items()}
        self._sounds = machine.sounds

    def normal(self, sha256: str, start: int, sound: NDArray[np.float32], sample_rate: int) -> str:
        """Return the train normal that a window is, or is cut from, "" if it is none.

        Parameters
        ----------
        sha256 : str
            The digest of the recording's file, "" of a stream.
        start : int
            The sample of the recording at which the window begins.
        sound : numpy.ndarray of float32, shape (n_channels, n_samples)
            The window.
        sample_rate : int
            Hz.
        """
        begin, end = (str(Decimal(sample) / sample_rate) for sample in (start, start + sound.shape[1]))
        window = part_digest(part_name("recording.wav", begin, end), sha256)
        return self._files.get(sha256) or self._files.get(window) or self._alike(sound, sample_rate)

    def _alike(self, sound: NDArray[np.float32], sample_rate: int) -> str:
        if not self._sounds:
            return ""
        return self._sounds.get(digest_of(sound, sample_rate), "")


def learnt_window_note(recording: str, begin: float, normal: str) -> str:
    """Say that a monitor hears what the detector has learnt."""
    return (
        f"{recording}: the window at {begin:g} s is the train normal {normal} of this detector, or cut from it. What "
        "was learnt scores low, so such windows say nothing of new sound; each has 'learnt' in the log"
    )


def _some(clips: Collection[str]) -> str:
    return ", ".join(list(clips)[:LISTED]) + (f" and {len(clips) - LISTED} more" if len(clips) > LISTED else "")
