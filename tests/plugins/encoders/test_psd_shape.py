"""The shape of the power spectral density: Welch's estimate in logarithmic bands, whatever the level."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RATE = 16000


def encode(audio, **parameters):
    patches = asdcore.load_encoder("psd_shape", **parameters).encode(np.atleast_2d(audio), [0])[0].patches
    assert patches.shape[1::2] == (1, 1)
    return patches[:, 0, :, 0]


def noise(n_samples=40_000, n_clips=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


def test_is_welchs_estimate_in_bands_less_their_mean():
    clip, n_fft, edges = noise(20_000)[0].astype(np.float64), 1024, 50.0 * 40.0 ** (np.arange(31) / 30)
    window = np.hanning(n_fft + 1)[:-1]
    segments = [clip[s : s + n_fft] for s in range(0, len(clip) - n_fft + 1, n_fft // 2)]
    power = np.mean([np.abs(np.fft.rfft((one - one.mean()) * window)) ** 2 for one in segments], axis=0)
    fine = np.arange(0, 8000, 0.02) + 0.01
    density = power[np.round(fine * n_fft / RATE).astype(int)]
    bands = [10 * np.log10(density[(fine >= a) & (fine < b)].mean()) for a, b in pairwise(edges)]
    found = encode(clip.astype(np.float32), n_fft=n_fft, n_bands=30, low=50.0, high=2000.0)[0]
    assert np.abs(found - (bands - np.mean(bands))).max() < 0.02


def test_defaults_are_96_bands_of_10_to_4000_hz():
    encoder = asdcore.load_encoder("psd_shape")
    assert (encoder.sample_rate, list(encoder.layers)) == (RATE, [0])
    tone = np.sin(2 * np.pi * 200.0 * np.arange(3 * RATE) / RATE).astype(np.float32)
    shape = encode(tone + 0.001 * noise(3 * RATE)[0])[0]
    # 200 Hz is band 96 ln 20 / ln 400 = 48.0, on an edge: it is shared with the band below.
    assert set(np.argsort(shape)[-2:]) == {47, 48}
    assert shape.shape == (96,)


def test_level_and_offset_change_nothing():
    audio = noise()
    assert np.array_equal(encode(audio / 32), encode(audio))
    assert np.allclose(encode(audio + np.float32(0.25)), encode(audio), rtol=0, atol=1e-3)
    assert encode(audio).mean() == pytest.approx(0, abs=1e-5)


def test_a_tilt_of_6_db_an_octave_is_seen():
    # Summed white noise falls by 20 dB a decade, and 10 to 4000 Hz are 2.6 decades.
    rumble = np.cumsum(noise(60 * RATE)[0].astype(np.float64)).astype(np.float32)
    shape = encode(rumble)[0]
    centres = 10 * 400 ** ((np.arange(96) + 0.5) / 96)
    slope = np.polyfit(np.log10(centres[20:80]), shape[20:80], 1)[0]
    assert slope == pytest.approx(-20, abs=1)


def test_digital_silence_is_flat():
    assert not encode(np.zeros((1, RATE), np.float32)).any()


def test_a_clip_shorter_than_a_window_goes_on_in_silence():
    clip = noise(5000)
    assert np.array_equal(encode(clip), encode(np.pad(clip, ((0, 0), (0, 3192)))))
    assert np.isfinite(encode(noise(1))).all()


def test_same_bits_whatever_clips_are_encoded_together_threads_and_layout(check_same_bits):
    check_same_bits(encode, noise(30_000, n_clips=5))


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"\(1, 0\) holds no sound"):
        encode(np.zeros((1, 0), np.float32))
    with pytest.raises(ValueError, match="psd_shape has the one layer 0, not"):
        asdcore.load_encoder("psd_shape").encode(noise(), [1])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_fft": 1023}, "sample_rate must be above 0, n_fft even"),
        ({"sample_rate": 0}, "sample_rate must be above 0, n_fft even"),
        ({"high": 8001.0}, "up to 8000"),
        ({"low": 0.0}, "from above 0 Hz"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_encoder("psd_shape", **parameters)
