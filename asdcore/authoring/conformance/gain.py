"""The check of encoders that say what a recorder's gain does to their tokens (:mod:`asdcore.contract.gain`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import require
from asdcore.authoring.conformance.kinds.encoder import EncoderBench, flatten
from asdcore.contract.gain import GAINS, gain_of

SOFTER = 0.5
"""A power of two, so that no sample is rounded anew."""

LEFT = 1e-3
"""What may be left, in standard deviations of an array: a clip that is normalized has a least power of 1e-7."""

LEAST = 1e-300
"""What a sum is divided by at least."""

WHY = "whoever reads it relies on scores that do not depend on the recorder."


def check_gain(bench: EncoderBench) -> None:
    """The attribute gain, if there is one, says what clips at half the level do to tokens: none, offset or factor."""
    encoder = bench.ready()
    gain = gain_of(encoder)
    if gain is None:
        return
    allowed = isinstance(gain, str) and gain in GAINS
    require(allowed, f"gain is {gain!r}, none of {', '.join(map(repr, GAINS))}.", WHY, "a misspelt word.")
    audio, layers = bench.rows(3, seed=9)["audio"], list(encoder.layers)
    loud = flatten(encoder.encode(audio.copy(), layers), layers)
    soft = flatten(encoder.encode(audio * np.float32(SOFTER), layers), layers)
    for name, tokens in loud.items():
        left = largest_left(gain, tokens.astype(np.float64), soft[name].astype(np.float64))
        observed = f"gain is {gain!r}, but of {name} {left:.2g} standard deviations are left at half the level."
        require(left <= LEFT, observed, WHY, "a constant before a logarithm, a clamp, or a network that hears levels.")


def largest_left(gain: str, loud: NDArray[np.float64], soft: NDArray[np.float64]) -> float:
    """Return by how much tokens miss what is said of a gain at most, in standard deviations of the loud ones.

    loud, soft : (n_clips, ..., dim), of the same clips at full and at half the level
    """
    expected = loud
    if gain == "offset":
        expected = loud + (soft - loud).mean(axis=tuple(range(loud.ndim - 1)))
    if gain == "factor":
        expected = loud * ((loud * soft).sum() / max(float((loud * loud).sum()), LEAST))
    return float(np.abs(soft - expected).max() / max(float(loud.std()), LEAST))
