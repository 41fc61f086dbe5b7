"""Parts of a clip are replaced where it was asked for, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.explanation import medians, sound_parts, spectra
from asdcore.explanation.sound_parts import Grid, ReplacedParts
from asdcore.explanation.sounds import HeldSound, RepeatedSound

RATE = 8000
RNG = np.random.default_rng(3)
CLIP, OTHER = (RNG.normal(scale=0.1, size=(2, 16000)).astype(np.float32) for _ in range(2))
GRID = Grid.of(2.0, RATE, times=4, bands=5)


def heard(clip, grid, other=None):
    """A function that returns the samples of a clip with parts replaced."""
    replaced = ReplacedParts(HeldSound(clip), RATE, grid, None if other is None else HeldSound(other))
    return lambda mask: replaced(mask).read(0, clip.shape[1])


masks = st.lists(st.booleans(), min_size=20, max_size=20).map(lambda bits: np.array(bits).reshape(5, 4))


def test_a_clip_without_a_replaced_part_keeps_its_samples_and_all_parts_make_it_the_other():
    replaced = heard(CLIP, GRID, OTHER)
    assert np.array_equal(replaced(np.zeros(GRID.shape, bool)), CLIP)
    assert replaced(np.ones(GRID.shape, bool)) == pytest.approx(OTHER, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(masks)
def test_what_two_halves_of_the_parts_change_adds_up(mask):
    replaced = heard(CLIP, GRID, OTHER)
    change = (replaced(mask) - CLIP) + (replaced(~mask) - CLIP)
    assert change == pytest.approx(OTHER - CLIP, abs=1e-6)


def test_a_part_changes_its_seconds_and_its_band_alone():
    mask = np.zeros(GRID.shape, bool)
    mask[3, 1] = True  # from 0.5 s to 1 s
    change = heard(CLIP, GRID, OTHER)(mask) - CLIP
    window = 512
    assert not change[:, : 4000 - window].any()
    assert not change[:, 8000 + window :].any()
    power = np.square(np.abs(np.fft.rfft(change))).sum(axis=0)
    hertz = np.fft.rfftfreq(16000, 1 / RATE)
    inside = (hertz > GRID.hertz[3] - 40) & (hertz < GRID.hertz[4] + 40)
    assert power[inside].sum() > 0.999 * power.sum()


def test_the_background_of_steady_noise_is_as_loud_as_the_noise():
    quiet = heard(CLIP, GRID)(np.ones(GRID.shape, bool))
    level = 10 * np.log10(np.square(quiet).mean() / np.square(CLIP).mean())
    assert -2 < level < 0.5


@pytest.mark.parametrize("what", ["a knock", "a tone"])
def test_the_background_has_neither_knocks_nor_tones(what):
    time = np.arange(16000) / RATE
    knock = np.where((time > 1.1) & (time < 1.2), 1.0, 0.0) * RNG.normal(size=16000)
    event = knock if what == "a knock" else 0.5 * np.sin(2 * np.pi * 1000 * time)
    quiet = heard((CLIP + event).astype(np.float32), GRID)(np.ones(GRID.shape, bool))
    assert np.square(quiet).mean() < 1.5 * np.square(CLIP).mean()


@pytest.mark.parametrize("samples", [1, 5, 300, 512, 513])
def test_clips_shorter_than_the_window_are_replaced_too(samples):
    clip, other = CLIP[:, :samples], OTHER[:, :samples]
    grid = Grid.of(samples / RATE, RATE, times=2, bands=2)
    assert heard(clip, grid, other)(np.ones((2, 2), bool)) == pytest.approx(other, abs=1e-6)


@settings(deadline=None)
@given(st.sampled_from([1000, 8000, 16000, 44100, 192000]), st.integers(1, 40), st.integers(1, 40))
def test_edges_rise_from_nothing_to_the_end_and_half_the_sample_rate(rate, times, bands):
    grid = Grid.of(10.0, rate, times=times, bands=bands)
    assert (grid.seconds[0], grid.seconds[-1], grid.hertz[0]) == (0.0, 10.0, 0.0)
    assert grid.hertz[-1] == pytest.approx(rate / 2)
    assert all(np.diff(grid.seconds) > 0)
    assert all(np.diff(grid.hertz) > 0)
    assert grid.shape == (bands, times)


@pytest.mark.parametrize("other", [None, OTHER[:, :5000]], ids=["background", "nearest"])
def test_a_clip_read_in_stretches_is_that_of_one_piece(monkeypatch, other):
    sound = None if other is None else RepeatedSound(HeldSound(other), CLIP.shape[1])
    mask = np.random.default_rng(0).random(GRID.shape) < 0.4
    whole = ReplacedParts(HeldSound(CLIP), RATE, GRID, sound)(mask).read(-10, 16010)
    monkeypatch.setattr(spectra, "AT_ONCE", 1)
    monkeypatch.setattr(medians, "AT_ONCE", 1000)
    monkeypatch.setattr(sound_parts, "CHANGES", 1)
    replaced = ReplacedParts(HeldSound(CLIP), RATE, GRID, sound)(mask)
    stretches = [replaced.read(start, start + 1001) for start in range(-10, 16010, 1001)]
    assert np.concatenate(stretches, axis=1)[:, : whole.shape[1]] == pytest.approx(whole, abs=1e-6)
    assert not whole[:, :10].any()
    assert not whole[:, -10:].any()


@pytest.mark.parametrize("other", [None, OTHER], ids=["background", "nearest"])
def test_replaced_sound_is_that_of_the_spectra_of_the_whole_clip_to_the_last_bit(other):
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    mask = np.random.default_rng(1).random(GRID.shape) < 0.5
    transform = ShortTimeFFT(hann(512, sym=False), hop=128, fs=RATE)
    own = transform.stft(CLIP.astype(np.float64))
    median = np.median(np.square(np.abs(own)), axis=-1)
    quiet = sound_parts.background_level(median, transform.f)[..., None] * np.exp(1j * np.angle(own))
    difference = (quiet if other is None else transform.stft(other.astype(np.float64))) - own
    band_of = np.searchsorted(GRID.hertz[1:-1], transform.f, side="right")
    seconds, edges = np.arange(16000) / RATE, np.array(GRID.seconds[1:-1])[:, None]
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((seconds - edges) / spectra.WINDOW + 0.5, 0.0, 1.0))
    begun = np.concatenate([np.ones((1, 16000)), rise, np.zeros((1, 16000))])
    gates = (begun[:-1] - begun[1:]).astype(np.float32)
    expected = CLIP.copy()
    for band, times in enumerate(mask):
        if times.any():
            change = transform.istft(difference * (band_of == band)[:, None], 0, 16000)
            expected += gates[times].sum(axis=0) * change.astype(np.float32)
    assert np.array_equal(heard(CLIP, GRID, other)(mask), expected)
