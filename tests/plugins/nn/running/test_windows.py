"""Clips longer than a table of positions: every part is heard, and clips that fit are heard as ever."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from asdcore import DataError
from asdcore_plugins.nn.front_ends.sound import InMemory
from asdcore_plugins.nn.running import windows
from asdcore_plugins.nn.running.windows import Windowed, starts


class Frames(Windowed):
    """Frames of 10 samples; no more than 4 at once, which are what it is given without the last of 5."""

    name, sample_rate, layers = "frames", 100, (0, "mean")

    def __init__(self, beyond="windows"):
        super().__init__(nn.Identity())
        self.ran = []
        self.reach(beyond, fits=49, window=40)

    def front_end(self, audio):
        return audio[:, : audio.shape[1] // 10 * 10].unflatten(1, (-1, 10))[:, :4]

    def tokens(self, spectrogram, layers):
        self.ran.append(spectrogram.shape)
        special = spectrogram.mean(dim=1, keepdim=True)
        found = {0: (spectrogram[:, :, None], special), "mean": (special[:, :, None], None)}
        return {layer: found[layer] for layer in layers}


class Read(InMemory):
    """A clip that keeps how much of it was read at once."""

    most = 0

    def read(self, start, stop):
        object.__setattr__(self, "most", max(self.most, stop - start))
        return super().read(start, stop)


def noise(n_clips, n_samples):
    return np.random.default_rng(0).standard_normal((n_clips, n_samples)).astype(np.float32)


@given(n_samples=some.integers(1, 10_000), window=some.integers(1, 500))
def test_windows_cover_a_clip_evenly_and_are_as_few_as_can_be(n_samples, window):
    found = starts(n_samples, window)
    assert len(found) == max(1, -(-n_samples // window))
    assert found[0] == 0
    if n_samples > window:
        steps = np.diff(found)
        assert found[-1] + window == n_samples
        assert 1 <= steps.min() <= steps.max() <= min(window, steps.min() + 1)


@pytest.mark.parametrize("n_samples", [10, 40, 49])
def test_a_clip_that_fits_is_heard_as_where_the_rest_would_be_cut(n_samples):
    audio = noise(2, n_samples)
    heard, cut = (Frames(beyond).encode(audio, [0, "mean"]) for beyond in ("windows", "cut"))
    for layer in (0, "mean"):
        assert np.array_equal(heard[layer].patches, cut[layer].patches)
    assert heard[0].patches.shape == (2, min(4, n_samples // 10), 1, 10)


def test_patches_follow_one_another_and_what_is_one_of_a_window_is_averaged():
    audio, encoder = noise(3, 100), Frames()
    tokens = encoder.encode(audio, [0, "mean"])
    parts = [audio[:, start : start + 40].reshape(3, 4, 10) for start in (0, 30, 60)]
    assert np.array_equal(tokens[0].patches[:, :, 0], np.concatenate(parts, axis=1))
    mean = np.mean([part.mean(axis=1) for part in parts], axis=0)
    assert np.allclose(tokens[0].special[:, 0], mean, atol=1e-6)
    assert np.allclose(tokens["mean"].patches[:, 0, 0], mean, atol=1e-6)
    assert tokens["mean"].special is None
    assert set(encoder.ran) == {(1, 4, 10)}  # on the CPU each window goes alone


@pytest.mark.parametrize("n_samples", [50, 99, 100, 101, 1234])
def test_every_sample_of_a_long_clip_is_heard(n_samples):
    audio = noise(1, n_samples)
    before = Frames().encode(audio, [0])[0].patches
    for place in range(n_samples):
        changed = audio.copy()
        changed[0, place] += 1.0
        assert not np.array_equal(Frames().encode(changed, [0])[0].patches, before)


def test_the_halves_make_the_whole_for_clips_of_any_lengths():
    encoder, clips = Frames(), [noise(1, n) for n in (10, 100, 45, 333)]
    found = encoder.encode_prepared([encoder.prepare(clip) for clip in clips], [0])
    for clip, tokens in zip(clips, found, strict=True):
        assert np.array_equal(tokens[0].patches, encoder.encode(clip, [0])[0].patches)


@pytest.mark.parametrize("n_samples", [1, 10, 49, 50, 100, 101, 1234])
@pytest.mark.parametrize("together", [1, 3])
def test_a_long_recording_is_read_window_by_window_with_the_same_tokens(n_samples, together, monkeypatch):
    monkeypatch.setattr(windows, "at_once", lambda window, device: together)
    (clip,) = noise(1, max(10, n_samples))
    whole = Frames().encode(clip[None], [0, "mean"])
    sound = Read(clip)
    blocks = list(Frames().encode_blocks(sound, [0, "mean"]))
    for layer, tokens in whole.items():
        assert np.concatenate([block[layer].patches for block in blocks], axis=1).tobytes() == tokens.patches.tobytes()
        assert all(block[layer].special is None for block in blocks[:-1])
        special = blocks[-1][layer].special
        assert (special is None) == (tokens.special is None)
        assert special is None or special.tobytes() == tokens.special.tobytes()
    assert sound.most <= 49


def test_no_window_waits_for_others_where_each_goes_alone():
    (clip,) = noise(1, 1234)
    encoder = Frames()
    blocks, prepared = encoder.encode_blocks(InMemory(clip), [0]), []
    encoder.prepare_window = lambda audio: prepared.append(1) or Windowed.prepare_window(encoder, audio)
    next(blocks)
    assert len(prepared) == 1


@given(window=some.integers(1, 1 << 32))
def test_windows_that_are_prepared_together_have_a_bound_in_bytes(window):
    together = windows.at_once(window, "cuda")
    assert 1 <= together <= windows.AT_ONCE
    assert together == 1 or 4 * window * together <= windows.PREPARED
    assert together == windows.AT_ONCE or 4 * window * (together + 1) > windows.PREPARED
    assert windows.at_once(window, "cpu") == 1


@pytest.mark.parametrize("n_samples", [10, 49, 150, 1234])
def test_of_a_long_recording_that_is_cut_only_what_is_heard_is_read(n_samples):
    (clip,) = noise(1, n_samples)
    sound = Read(clip)
    (block,) = Frames("cut").encode_blocks(sound, [0])
    whole = Frames().encode(clip[None, :49], [0])[0]
    assert (block[0].patches.tobytes(), block[0].special.tobytes()) == (
        whole.patches.tobytes(),
        whole.special.tobytes(),
    )
    assert sound.most <= 49 + Frames.sample_rate


def test_a_network_that_takes_clips_as_they_are_has_a_bound_or_windows():
    encoder = Frames()
    encoder.take_whole(None, longest=0.5)
    assert (encoder.longest, encoder.encode_blocks) == (0.5, None)
    encoder = Frames()
    encoder.take_whole(0.4, longest=0.5)
    assert encoder.longest is None
    (clip,) = noise(1, 1234)
    assert len(encoder.prepare(clip[None])) == 31
    with pytest.raises(ValueError, match=r"window_seconds is 0\.6; memory allows windows of 0\.5 s .* = 0\.5, or any"):
        encoder.take_whole(0.6, longest=0.5)


def test_what_is_given_the_whole_reads_no_blocks():
    endless = Frames()
    endless.reach("windows", fits=sys.maxsize, window=40)
    assert endless.encode_blocks is None


def test_what_is_heard_at_most_is_said_where_the_rest_is_cut():
    assert (Frames().hears, Frames("cut").hears) == (None, 0.49)


@pytest.mark.parametrize("beyond", ["window", "", None, True])
def test_another_word_is_refused(beyond):
    with pytest.raises(ValueError, match="beyond is .*; allowed are 'windows' and 'cut'"):
        Frames(beyond)


def test_what_is_no_sound_is_refused():
    with pytest.raises(DataError, match="holds no sound"):
        Frames().encode(np.zeros((1, 0), np.float32))
    with pytest.raises(DataError, match="not finite"):
        Frames().encode(np.full((1, 200), np.nan, np.float32))
    assert torch.is_inference_mode_enabled() is False
