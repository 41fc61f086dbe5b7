"""Recordings by which an ONNX file is compared with its detector."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from asdcore.detector.as_onnx import parity
from asdcore.detector.as_onnx.parity import decoded
from asdcore.errors import DataError

RATE = 8000


@pytest.fixture
def recording(tmp_path):
    noise = np.random.default_rng(0).normal(scale=0.1, size=(2 * RATE, 2))
    soundfile.write(tmp_path / "night.wav", noise, RATE, "FLOAT")
    return tmp_path / "night.wav"


def test_a_recording_is_given_as_it_is(recording):
    ((audio, rate),) = decoded([recording], RATE)
    assert rate == RATE
    assert np.array_equal(audio.T, soundfile.read(recording, dtype="float32")[0])


def test_one_that_would_fill_the_memory_is_refused_before_it_is_decoded(recording, monkeypatch):
    monkeypatch.setattr(parity, "AT_ONCE", 4 * 2 * RATE)
    monkeypatch.setattr(parity, "decode_new", lambda _: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"night\.wav lasts 2 s\. .* at most 1 s are compared\. .* leave --parity out"):
        next(decoded([recording], RATE))


def test_one_of_another_rate_is_refused(recording):
    with pytest.raises(DataError, match=r"night\.wav has 8000 Hz, and the ONNX file takes 16000 Hz"):
        next(decoded([recording], 16000))
