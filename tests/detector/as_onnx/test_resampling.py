"""Resampling as ONNX is what soxr does, for ratios by which it filters every block alike."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.contract.onnx_graph import NotInOnnxError
from asdcore.data.audio import resample
from asdcore.detector.as_onnx.resampling import resampled


@pytest.mark.parametrize(("source", "target"), [(16000, 32000), (16000, 8000), (48000, 16000), (48000, 32000)])
@pytest.mark.parametrize("samples", [1, 63, 64, 1000, 20001])
def test_noise_is_resampled_to_the_same_samples(as_onnx, source, target, samples):
    audio = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    heard = resample(audio, source, target)
    written = as_onnx(lambda given: resampled(given, source, target), audio)
    assert written.shape == heard.shape
    assert np.abs(written - heard).max(initial=0.0) < 2e-6


@pytest.mark.parametrize(("source", "target"), [(44100, 16000), (22050, 16000), (16000, 11026)])
def test_other_ratios_are_refused(as_onnx, source, target):
    message = f"it hears {target} Hz and the recordings have {source} Hz: resampling by this ratio cannot"
    with pytest.raises(NotInOnnxError, match=message):
        as_onnx(lambda given: resampled(given, source, target), np.zeros(100))
