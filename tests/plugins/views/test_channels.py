"""The views that pick, average or subtract channels."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

AUDIO = np.array([[0.25, -0.5, 1.0], [0.75, 0.5, -1.0]], np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("near", AUDIO[0]), ("far", AUDIO[1]), ("mean", [0.5, 0.0, 0.0]), ("difference", [-0.5, -1.0, 2.0])],
)
def test_waveform_by_hand(name, expected):
    waveform = asdcore.load_view(name)(AUDIO, 16000)
    assert waveform.dtype == np.float32
    assert np.array_equal(waveform, expected)


@pytest.mark.parametrize("name", ["near", "mean"])
def test_mono_is_itself(name):
    assert np.array_equal(asdcore.load_view(name)(AUDIO[:1], 16000), AUDIO[0])


def test_far_refuses_mono_and_names_the_view_that_works():
    with pytest.raises(DataError, match=r"far channel.*has 1 channel\. Use the view 'near'"):
        asdcore.load_view("far")(AUDIO[:1], 16000)


def test_stereo_is_both_channels_as_recorded():
    stereo = asdcore.load_view("stereo")
    assert stereo.channels == 2
    audio = np.random.default_rng(0).uniform(-1, 1, (2, 500)).astype(np.float32)
    both = stereo(np.asfortranarray(audio), 16000)
    assert both.dtype == np.float32
    assert np.array_equal(both, audio)


@pytest.mark.parametrize("name", ["near", "far", "mean", "difference", "stereo"])
def test_waveform_is_not_a_window_onto_the_recording(name):
    audio = AUDIO.copy()
    asdcore.load_view(name)(audio, 16000)[:] = 9.0
    assert np.array_equal(audio, AUDIO)


def test_mean_is_the_same_in_any_memory_layout():
    audio = np.random.default_rng(0).standard_normal((7, 1000)).astype(np.float32)
    mean = asdcore.load_view("mean")
    assert np.array_equal(mean(audio, 16000), mean(np.asfortranarray(audio), 16000))
    assert np.allclose(mean(audio, 16000), audio.astype(np.float64).mean(axis=0), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["difference", "stereo"])
def test_any_but_two_channels_are_refused(name):
    for channels in (1, 3):
        with pytest.raises(DataError, match=rf"'{name}' needs a near and a far channel.*has {channels}\. Use"):
            asdcore.load_view(name)(np.zeros((channels, 3), np.float32), 16000)


def test_difference_removes_what_both_channels_hear_alike():
    rng = np.random.default_rng(0)
    machine, around = (rng.integers(-99, 99, 1000) / 1024 for _ in range(2))
    audio = np.stack([machine + around, around]).astype(np.float32)
    assert np.array_equal(asdcore.load_view("difference")(audio, 16000), machine)
