"""Shares of bands are exact: they add up to the frozen scorer's score, and name the band where something was added."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from asdcore.contract import additive
from asdcore.data.recordings.audio import decode
from asdcore.detector import feature_shares
from asdcore.detector.baselines import Baselines
from asdcore.errors import PluginError
from asdcore.explanation.band_shares import BandShares, band_shares
from asdcore.explanation.clip import clip_in_memory
from asdcore.explanation.sound_parts import Grid
from asdcore_plugins.encoders.logmel import LogMel

LOW, HIGH = 2200, 3800


@pytest.fixture(scope="module")
def hissing(carried):
    """A train normal of the fan with a hiss from 2 kHz to 4 kHz."""
    clip = carried.run.clips.filter(split="train", machine="fan")["clip"][2]
    audio, rate = decode(carried.root / "data" / clip)
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=audio.shape[1]))
    hertz = np.fft.rfftfreq(audio.shape[1], 1 / rate)
    hiss = np.fft.irfft(np.where((hertz > LOW) & (hertz < HIGH), spectrum, 0), audio.shape[1])
    return (audio + 0.3 * np.abs(audio).max() * hiss / hiss.std()).astype(np.float32), rate


def shares_of(detector, audio, rate, verdict):
    with clip_in_memory(detector, audio, rate) as clip:
        return band_shares(clip, verdict)


def divided(detector, sound, system):
    verdict = detector.score(*sound, "fan", system=system)
    return shares_of(detector, *sound, verdict)


def test_the_band_that_sounds_otherwise_has_the_largest_share_beyond_the_usual(detector, hissing):
    shares, reasons = divided(detector, hissing, "carried")
    assert shares.keys() == {"knn", "gauss"}
    assert reasons == {"means": "its scorer kmeans is no sum over features"}
    for of_branch in shares.values():
        low, high = of_branch.hertz[of_branch.raised[:, 0].argmax()]
        assert low < HIGH
        assert high > LOW
    assert shares["knn"].usual is not None
    assert shares["gauss"].usual is None


def test_shares_add_up_to_the_score_that_the_branch_gives(carried, detector):
    for clip, machine, section, audio, rate in carried.clips():
        verdict = detector.score(audio, rate, machine, section, system="carried")
        shares, _ = shares_of(detector, audio, rate, verdict)
        for name in ("knn", "gauss"):
            (score,) = carried.run.scores.filter(
                clip=clip, branch=name, reference=shares[name].reference, role="test", fold=-1
            )["score"]
            assert shares[name].score == pytest.approx(score, rel=1e-5, abs=1e-9)
            assert (shares[name].parts >= 0).all()


def test_a_wider_grid_keeps_the_sum_and_the_place(detector, hissing):
    shares, _ = divided(detector, hissing, "carried")
    grid = Grid.of(hissing[0].shape[1] / hissing[1], hissing[1], times=3, bands=4)
    wide = shares["knn"].on(grid)
    assert wide.parts.shape == wide.usual.shape == (4, 1)
    assert wide.score == pytest.approx(shares["knn"].score)
    assert wide.hertz.tolist() == [list(edges) for edges in pairwise(grid.hertz)]
    assert wide.raised[:, 0].argmax() == np.searchsorted(grid.hertz, 3000) - 1


def test_frames_are_divided_among_stretches_of_time_too():
    parts = np.arange(12.0).reshape(2, 6)
    shares = BandShares("pooled", np.array([[0.0, 100.0], [100.0, 200.0]]), parts, None)
    wide = shares.on(Grid((0.0, 1.0, 2.0, 3.0), (0.0, 100.0, 200.0)))
    assert wide.parts.tolist() == [[1.0, 5.0, 9.0], [13.0, 17.0, 21.0]]
    assert wide.raised is wide.parts


def test_usual_shares_are_those_of_train_normals_left_out(carried, detector):
    """The nearest normal without itself: nothing is at the distance 0 of itself."""
    clip = carried.run.clips.filter(split="train", machine="fan")["clip"][0]
    sound = decode(carried.root / "data" / clip)
    shares, _ = divided(detector, sound, "carried")
    assert shares["knn"].score == pytest.approx(0, abs=1e-12)
    oof = carried.run.scores.filter(branch="knn", role="oof", reference=shares["knn"].reference)
    oof = oof.join(carried.run.clips.filter(machine="fan"), on="clip", how="semi")
    if shares["knn"].reference != "pooled":
        oof = oof.filter(domain=shares["knn"].reference)
    assert shares["knn"].usual.sum() == pytest.approx(oof["score"].mean(), rel=0.2)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("baselines", "this machine is judged by several baselines"),
        ("bank", "its scorer knn has learnt from too many train normals for their distances"),
        ("encoder", "its encoder logmel does not say at which frequencies its bands lie"),
    ],
)
def test_the_reason_is_said_where_shares_are_not_exact(detector, hissing, monkeypatch, named, reason):
    verdict = detector.score(*hissing, "fan", system="carried")
    known = detector.known("fan")
    if named == "baselines":
        monkeypatch.setitem(detector._machines, ("fan", "00"), Baselines([known, known], {}))
    elif named == "bank":
        monkeypatch.setattr(detector, "feature_shares", lambda *given, **more: {})
    else:
        monkeypatch.delattr(LogMel, "band_hertz")
    shares, reasons = shares_of(detector, *hissing, verdict)
    assert "knn" not in shares
    assert reasons["knn"] == reason


def test_shares_that_miss_the_score_are_refused():
    shares, scores = {"pooled": np.array([0.5, 0.5])}, {"pooled": np.array([1.0 + 10 * additive.ROUNDING])}
    with pytest.raises(
        PluginError, match="scorer 'mine' gives a clip the pooled score 1.00001, and shares that add up"
    ):
        feature_shares.check_sum(shares, scores, "mine")


def test_weights_of_another_shape_are_refused():
    class Wrong:
        metric = "euclidean"

        def distance_weights(self, distances):
            return {"pooled": distances[0]}

    bank = feature_shares.Bank(np.zeros((3, 2), np.float32), np.zeros((1, 3)))
    with pytest.raises(PluginError, match=r"scorer 'wrong': distance_weights gave pooled an array \(3,\); \(1, 3\)"):
        feature_shares.of_clip(Wrong(), "wrong", np.zeros((1, 2), np.float32), bank)
