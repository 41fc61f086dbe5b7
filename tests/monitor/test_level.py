"""Level and spectrum of a window, in dB."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.monitor.level import BANDS, SILENCE_DB, level, shape

RATE = 16000


def tone(frequency, amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)).astype(np.float32)[None]


def test_a_full_sine_is_three_db_below_full_scale_and_half_of_it_six_less():
    assert level(tone(100)) == pytest.approx(-3.01, abs=0.01)
    assert level(tone(100, 0.5)) == pytest.approx(-9.03, abs=0.01)


@pytest.mark.parametrize(("frequency", "band"), [(20, 0), (90, 1), (3000, BANDS - 2), (6000, BANDS - 1)])
def test_a_tone_lies_in_its_octave_whatever_its_level(frequency, band):
    for amplitude in (1.0, 0.01):
        spread = shape(tone(frequency, amplitude))
        assert len(spread) == BANDS
        assert int(np.argmax(spread)) == band
        assert spread[band] == pytest.approx(0.0, abs=0.01)


def test_silence_has_a_level_too():
    silence = np.zeros((2, 100), np.float32)
    assert (level(silence), shape(silence)) == (SILENCE_DB, [SILENCE_DB] * BANDS)
