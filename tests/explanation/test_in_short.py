"""What stands out, in one line: the band and the seconds that were put there, as far as there is time to look."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.recordings.audio import decode
from asdcore.errors import DataError
from asdcore.explanation.in_short import BANDS, EXACT_SCORES, TIMES, in_short

LOW, HIGH = 2200, 3800


@pytest.fixture(scope="module")
def hissing(carried, detector):
    """A train normal of the fan with a hiss from 2 kHz to 4 kHz in its last third, and its verdict."""
    clip = carried.run.clips.filter(split="train", machine="fan")["clip"][2]
    audio, rate = decode(carried.root / "data" / clip)
    n = audio.shape[1]
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=n))
    hertz = np.fft.rfftfreq(n, 1 / rate)
    hiss = np.fft.irfft(np.where((hertz > LOW) & (hertz < HIGH), spectrum, 0), n)
    hiss[: 2 * n // 3] = 0
    sound = (audio + 2 * np.abs(audio).max() * hiss).astype(np.float32)
    return sound, rate, detector.score(sound, rate, "fan", system="carried")


@pytest.mark.parametrize("recordings", ["at hand", "elsewhere"])
def test_the_band_and_the_seconds_that_sound_otherwise_stand_out(carried, detector, hissing, recordings):
    sound, rate, verdict = hissing
    data = carried.root / "data" if recordings == "at hand" else None
    found = in_short(detector, sound, rate, verdict, data=data)
    for low, high in (found.band, *(band.hertz for band in found.exact.values())):
        assert low < HIGH
        assert high > LOW
    assert found.seconds[0] >= 0.6 * sound.shape[1] / rate
    assert found.band_adds > 0
    assert (found.replaced_by, found.left_out) == ("nearest normal" if data else "own background", "")
    assert list(found.exact) == sorted(found.exact, key=lambda name: -verdict.branches[name].share)
    exact, replaced = found.sentences()[0], found.sentences()[-1]
    assert f" % of {next(iter(found.exact))}" in exact
    assert replaced.startswith(f"The score falls without {found.band[0]:.0f}-{found.band[1]:.0f} Hz by ")
    assert replaced.endswith(f"(replaced by the {found.replaced_by})")


@pytest.mark.parametrize(
    ("scores", "has_exact", "has_band", "has_seconds", "left_out"),
    [
        (0, False, False, False, "no time to hear the clip again"),
        (EXACT_SCORES, True, False, False, "no time to replace bands: 9 scores are needed, and there is time for 1"),
        (EXACT_SCORES + BANDS, True, True, False, "no time to replace stretches of time"),
        (EXACT_SCORES + BANDS + TIMES, True, True, True, ""),
    ],
)
def test_the_clip_is_scored_no_more_often_than_it_may_be(
    detector, hissing, monkeypatch, scores, has_exact, has_band, has_seconds, left_out
):
    sound, rate, verdict = hissing
    asked, heard = [], detector._heard
    monkeypatch.setattr(detector, "_heard", lambda *given: asked.append(1) or heard(*given))
    found = in_short(detector, sound, rate, verdict, scores=scores)
    assert len(asked) == scores
    assert bool(found.exact) is has_exact
    assert (found.band is not None, found.seconds is not None) == (has_band, has_seconds)
    assert found.left_out == left_out
    assert found.as_json().get("left_out", "") == left_out
    assert left_out in (*found.sentences(), "")


def test_a_clip_in_which_nothing_stands_out_names_no_band(carried, detector):
    clip = carried.run.clips.filter(split="train", machine="fan")["clip"][2]
    audio, rate = decode(carried.root / "data" / clip)
    verdict = detector.score(audio, rate, "fan", system="carried")
    found = in_short(detector, audio, rate, verdict, data=carried.root / "data")
    assert found.band is found.seconds is None
    assert set(found.as_json()) == {"exact", "replaced_by"}


def test_recordings_that_are_not_there_are_refused(detector, hissing, tmp_path):
    sound, rate, verdict = hissing
    with pytest.raises(DataError, match="does not hold .*, the train normal that sounds most alike"):
        in_short(detector, sound, rate, verdict, data=tmp_path)
