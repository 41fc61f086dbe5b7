"""Checks of views. The rows of a view are the clips that one object makes waveforms of, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Bench, Rows, describe, require
from asdcore.authoring.conformance.bench.sounds import hums, near_and_far, near_and_far_blasts
from asdcore.authoring.conformance.channels import channels_of, check_channels

SAMPLE_RATE = 16000
SHORT = SAMPLE_RATE // 2


class ViewBench(Bench):
    """Calls a view on clips of two channels, half a second each."""

    rtol = 1e-6
    steady = 1e-7
    size = 12
    crowd = 120
    call_name = "the view"

    def rows(self, n: int, seed: int) -> Rows:
        """Audio (n, 2, n_samples): the second channel hears the first, more quietly, and a noise of its own."""
        return {"audio": near_and_far(n, SHORT, SAMPLE_RATE, seed)}

    def far(self, n: int, seed: int) -> Rows:
        """Audio (n, 2, n_samples) at full scale."""
        return {"audio": near_and_far_blasts(n, SHORT, seed)}

    def silent(self) -> Rows:
        """Audio (4, 2, n_samples): silent, silent on either channel, silent for the first half."""
        audio = self.rows(4, seed=1)["audio"]
        audio[0] = 0.0
        audio[1, 0] = 0.0
        audio[2, 1] = 0.0
        audio[3, :, : SHORT // 2] = 0.0
        return {"audio": audio}

    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Audio (n, 2, n_samples) -> waveform (n, n_samples), or (n, 2, n_samples) of a view of two channels."""
        return {"waveform": np.stack([np.asarray(fitted(clip, SAMPLE_RATE)) for clip in inputs["audio"]])}


def check_waveform_shape_and_type(bench: ViewBench) -> None:
    """Two channels of 1 s and of 12 s become a float32 waveform of the same length, or two if channels is 2."""
    for seconds in (1, 12):
        n_samples = seconds * SAMPLE_RATE
        audio = hums(2, n_samples, SAMPLE_RATE, seed=seconds)
        view = bench.build()
        shape = (2, n_samples) if channels_of(view) == 2 else (n_samples,)
        waveform = view(audio, SAMPLE_RATE)
        observed = f"{seconds} s of two channels gave {describe(waveform)}, not {shape} float32."
        good = isinstance(waveform, np.ndarray) and waveform.shape == shape and waveform.dtype == np.float32
        why = "encoders read float32 waveforms, as many as channels says and as long as the recording."
        cause = "a channel axis was kept and channels does not say 2, samples were cut, or float64 was not cast back."
        require(good, observed, why, cause)


def check_waveform_is_finite(bench: ViewBench) -> None:
    """The waveform of ordinary and of very loud clips is finite and not beyond all scale."""
    for name, rows in (("ordinary", bench.rows(4, seed=1)), ("full-scale", bench.far(4, seed=1))):
        waveform = bench.once(rows)["waveform"]
        largest = float(np.abs(waveform).max())
        why = "encoders expect samples of about [-1, 1]; beyond that they saturate."
        observed = f"The waveform of {name} clips reaches {largest:g}."
        require(bool(largest <= 100.0), observed, why, "a division by an energy or a gain that is close to zero.")


CHECKS = (check_channels, check_waveform_shape_and_type, check_waveform_is_finite)
