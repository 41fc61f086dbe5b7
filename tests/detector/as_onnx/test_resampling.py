"""Resampling as ONNX is what soxr does, also at the start of a clip, where its later stages begin with zeros."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.contract.onnx.onnx_graph import NotInOnnxError
from asdcore.data.recordings.audio import resample
from asdcore.detector.as_onnx.resampling import resampled

RATES = [(16000, 32000), (16000, 8000), (48000, 16000), (48000, 32000)]
FROM_RECORDERS = [(rate, 16000) for rate in (11025, 22050, 25600, 44100, 51200, 96000)]
FROM_RECORDERS += [(44100, 32000), (51200, 32000), (96000, 32000)]


@pytest.mark.parametrize(("source", "target"), RATES + FROM_RECORDERS)
@pytest.mark.parametrize("samples", [1, 63, 64, 1000, 20001])
def test_noise_is_resampled_to_the_same_samples(as_onnx, source, target, samples):
    audio = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    heard = resample(audio, source, target)
    written = as_onnx(lambda given: resampled(given, source, target), audio)
    assert written.shape == heard.shape
    assert np.abs(written - heard).max(initial=0.0) < 2e-6


@pytest.mark.parametrize(("source", "target"), [(11025, 16000), (25600, 16000), (44100, 16000)])
def test_a_clip_that_starts_at_full_scale_is_resampled_to_the_same_samples(as_onnx, source, target):
    """Its first samples are where soxr's stages differ from one filter."""
    audio = np.full(4000, 1.0, np.float32)
    written = as_onnx(lambda given: resampled(given, source, target), audio)
    assert np.abs(written - resample(audio, source, target)).max() < 2e-6


@pytest.mark.parametrize(("source", "target"), [(48828, 16000), (16000, 11026)])
def test_ratios_without_a_common_divisor_are_refused(as_onnx, source, target):
    message = f"it hears {target} Hz and the recordings have {source} Hz, a ratio of .* that is too large .* = {source}"
    with pytest.raises(NotInOnnxError, match=message):
        as_onnx(lambda given: resampled(given, source, target), np.zeros(100))
