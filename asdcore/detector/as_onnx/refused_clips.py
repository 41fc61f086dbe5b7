"""Writes what a detector refuses to score: an ONNX file must not call it normal.

A graph has no exceptions. But onnxruntime stops at an index beyond the end, and says the name of the node: so this name
is the message. Where a runtime goes on nevertheless, score and p-value are NaN and the decision is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdcore.contract.onnx.onnx_graph import OnnxValue
from asdcore.data.recordings.audio import LOUDEST

REFUSED = -1
"""The decision on a clip that is refused."""


@dataclass(frozen=True)
class CheckedClip:
    """The sound of a clip, if it is what the file takes.

    audio : (n_channels, n_samples) float64; to compute it fails for a clip that is refused. is_taken : (1,) bool.
    """

    audio: OnnxValue
    is_taken: OnnxValue

    def or_nan(self, value: OnnxValue) -> OnnxValue:
        """Write a value (1,) float64, NaN of a clip that is refused."""
        return self.is_taken.op("Where", value, float("nan"))

    def or_refused(self, decision: OnnxValue) -> OnnxValue:
        """Write a decision (1,) int64, -1 of a clip that is refused."""
        return self.is_taken.op("Where", decision, decision.graph.constant([REFUSED], np.int64))


def checked(audio: OnnxValue, sample_rate: OnnxValue, rate: int, shortest: int) -> CheckedClip:
    """Write the checks of :func:`asdcore.detector.listen.checked_audio`.

    Parameters
    ----------
    audio : OnnxValue
        (n_channels, n_samples) float32.
    sample_rate : OnnxValue
        () int64, the sample rate in Hz that the clip is said to have.
    rate, shortest : int
        The rate that the file takes, and how many samples a clip has at least.
    """
    graph, sound = audio.graph, audio.astype(np.float64)
    whole = graph.constant([rate], np.int64), graph.constant([shortest], np.int64)
    size = abs(sound)
    loudest = size.op("ReduceMax", keepdims=0).reshape(1)
    changes = (sound.max(1) - sound.min(1)).max(0, keepdims=True)
    lost = (sound - sound).op("IsNaN").astype(np.float64).op("ReduceMax", keepdims=0).reshape(1)
    refusals = {
        f"the sample rate is not {rate} Hz, which is what this file takes. Resample the clip": sample_rate.reshape(1)
        .op("Equal", whole[0])
        .op("Not"),
        f"the clip is too short. At least {shortest} samples are allowed": audio.op("Shape", start=1, end=2) < whole[1],
        "samples are NaN, infinite or far above full scale. Numbers in [-1, 1] are allowed": (lost > 0.0).op(
            "Or", loudest > LOUDEST
        ),
        "no channel changes: the recording is silent. Check the microphone and the file": changes <= 0.0,
    }
    passed, is_taken = graph.constant([1.0]), graph.constant([True], np.bool_)
    for message, is_refused in refusals.items():
        passed = passed * graph.op("Gather", [1.0], is_refused.astype(np.int64), name=message)
        is_taken = is_taken.op("And", is_refused.op("Not"))
    return CheckedClip(sound * passed, is_taken)
