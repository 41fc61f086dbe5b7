"""The level of a recording: the same from whole numbers, floats and any blocks."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.data.recordings.loudness import ROWS, Loudness


def level_of(*blocks):
    heard = Loudness()
    for block in blocks:
        heard.hear(block)
    return heard.decibels


def test_a_level_is_the_power_of_all_channels_in_db():
    sine = np.sin(2 * np.pi * np.arange(16000) / 160)[:, None].astype(np.float32)
    assert level_of(sine) == pytest.approx(-3.01, abs=0.005)
    assert level_of(np.hstack([sine, np.zeros_like(sine)])) == pytest.approx(-6.02, abs=0.005)


@pytest.mark.parametrize("gain", [0.5, 0.01, 1e-6])
def test_a_gain_adds_its_decibels(gain):
    noise = np.random.default_rng(0).standard_normal((5000, 2)).astype(np.float32)
    assert level_of(noise * np.float32(gain)) - level_of(noise) == pytest.approx(20 * np.log10(gain), abs=0.02)


def test_blocks_and_kinds_of_numbers_do_not_matter():
    whole = np.random.default_rng(0).integers(-32768, 32767, (3 * ROWS + 7, 2), dtype=np.int16)
    floats = whole.astype(np.float32) / 32768
    assert level_of(whole) == level_of(floats) == level_of(floats[:1000], floats[1000:])


@pytest.mark.parametrize("block", [np.zeros((0, 1), np.float32), np.zeros((9, 2), np.int16), np.full((9, 1), np.inf)])
def test_silence_and_what_is_not_finite_have_no_level(block):
    assert level_of(block) is None


def test_a_file_has_the_level_that_its_samples_have(dataset):
    path = next(dataset.glob("*/train/*.wav"))
    audio, facts = decode_new(path)
    assert inspect_audio(path).level == facts.level == level_of(audio.T)
