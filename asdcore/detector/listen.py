"""Turns the sound of one clip into the features of every branch, as a run does."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.compute import encoding
from asdcore.compute.encoding import Request
from asdcore.compute.scoring import Recipe
from asdcore.contract.plugins import Plugins
from asdcore.data.audio import LOUDEST, RATES
from asdcore.errors import DataError
from asdcore.portfolio import Portfolio
from asdcore.stages.embed import requests_of
from asdcore.stages.score_jobs import features_recipe
from asdcore.store.cache import Store

NOWHERE = Store(Path("detector"))
"""Feature sets are told apart by their folders. Nothing is read from or written to these."""

SHORTEST = 0.5
"""A clip of less than this share of the shortest train clip is refused: nothing is known of so short a sound."""

Features = dict[Path, NDArray[np.float32]]
"""{folder of a feature set: the features (1, ...) of the clip}."""


class Listener:
    """Views, encoders and poolings of a portfolio, built once.

    Parameters
    ----------
    plan : Portfolio
        The portfolio; its checkpoints are on this machine.
    plugins : Plugins
        Where components are looked up.
    device : str or None
        A torch device; None is the CPU.
    """

    def __init__(self, plan: Portfolio, plugins: Plugins, device: str | None) -> None:
        self._plan, self._plugins, self._device = plan, plugins, device

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """What is asked of each view and encoder."""
        requests = requests_of(self._plan.branches.values(), NOWHERE, self._plugins, self._device)
        encoding.check(requests, self._device)
        return requests

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """{branch: its feature sets, and how they are combined}."""
        branches = self._plan.branches.items()
        return {name: features_recipe(branch, NOWHERE, self._plugins, self._device) for name, branch in branches}

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> Features:
        """Return the features of one clip, audio (n_channels, n_samples) in [-1, 1] at ``sample_rate`` Hz."""
        prepared = encoding.prepare(audio, sample_rate, self.requests, self._device)
        (features,) = encoding.encode([prepared], self.requests, self._device)
        return {output.folder: np.asarray(values, dtype=np.float32)[None] for output, values in features.items()}


def checked_audio(audio: Any, sample_rate: Any, channels: int, seconds: float, where: str) -> NDArray[np.float32]:
    """Return the sound of a clip as (n_channels, n_samples) float32.

    Parameters
    ----------
    audio : array_like of float, shape (n_samples,) or (n_channels, n_samples)
        In [-1, 1].
    sample_rate : int
        Hz, within the limits of audio files.
    channels, seconds : int, float
        How many channels the train clips of this machine have, and how long the shortest of them is.
    where : str
        Machine and section, for messages.

    Raises
    ------
    DataError
        If the clip is not sound of this kind; the message says what is allowed.
    """
    rate = sample_rate.item() if isinstance(sample_rate, np.generic) else sample_rate
    if isinstance(rate, bool) or not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        low, high = RATES
        raise DataError(f"the sample rate is {sample_rate!r}; a whole number of Hz from {low:,} to {high:,} is allowed")
    samples = _array(audio)
    samples = samples[None] if samples.ndim == 1 else samples
    if samples.ndim != 2 or len(samples) != channels:
        given = (
            f"{len(samples)} channel{'s' * (len(samples) != 1)}" if samples.ndim == 2 else f"an array {samples.shape}"
        )
        is_turned = samples.ndim == 2 and samples.shape[1] == channels
        turn = ". soundfile.read gives (n_samples, n_channels): transpose it" if is_turned else ""
        raise DataError(
            f"the clip has {given}; the train clips of {where} have {channels}, so a file of {channels}, or an array "
            f"({channels}, n_samples), is allowed{turn}"
        )
    shortest = SHORTEST * seconds
    if samples.shape[1] < shortest * rate:
        raise DataError(
            f"the clip has {samples.shape[1] / rate:.6g} s; at least {shortest:.6g} s are allowed, half of the "
            f"shortest train clip of {where}"
        )
    return _sound(samples)


def _array(audio: Any) -> NDArray[Any]:
    """Return what was given as an array of floats."""
    try:
        samples = np.asarray(audio)
    except Exception as error:  # nested lists of unequal lengths, or an array library that refuses
        reason = str(error).partition(".")[0]
        raise DataError(f"the audio is not an array ({type(error).__name__}: {reason}); {_ALLOWED}") from error
    if samples.dtype.kind != "f":
        raise DataError(f"the audio is an array of {samples.dtype}; {_ALLOWED}")
    return samples


def _sound(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples as a run reads them from a file, in single precision."""
    with np.errstate(over="ignore"):
        sound = np.ascontiguousarray(samples, dtype=np.float32)
    if lost := int((~np.isfinite(samples)).sum()):
        raise DataError(f"{lost} samples are NaN or infinite; finite numbers in [-1, 1] are allowed")
    if (largest := float(np.abs(samples).max())) > LOUDEST:
        raise DataError(f"the audio holds a sample of {largest:.3g}, and full scale is 1; {_ALLOWED}")
    if not sound.any():
        raise DataError("every sample is 0: the recording is silent. Check the microphone and the file")
    return sound


_ALLOWED = "floats in [-1, 1] are allowed, such as soundfile.read gives"
