"""Windows against windows: any time, same band; leave-one-out leaves out all windows of a clip."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import asdcore
from asdcore import DataError

TIME, BANDS, DIM = 7, 2, 5


@pytest.fixture
def frames(patches):
    return partial(patches, (TIME, BANDS, DIM))


def brute_force(train, test, starts, window, metric, pool):
    def windows(clips):
        return np.stack([clips[:, s : s + window].astype(float).mean(axis=1) for s in starts], axis=1)

    scores = []
    for clip in windows(test):
        per_band = [
            asdcore.distances(clip[:, band], windows(train)[:, :, band].reshape(-1, DIM), metric).min(axis=1)
            for band in range(BANDS)
        ]
        scores.append(pool(np.mean(per_band, axis=0)))
    return np.array(scores)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    ("parameters", "pool"),
    [
        ({"pool": "mean"}, np.mean),
        ({"pool": "max"}, np.max),
        ({"pool": "top", "share": 0.5}, lambda one: np.sort(one)[-2:].mean()),
        ({"pool": "top", "share": 0.0}, np.max),
    ],
)
def test_equals_its_formula(frames, metric, parameters, pool):
    train, domain, test = frames()
    # Steps 0-2, 2-4, 4-6: the last window ends with the clip. With a hop of 3 that takes one more.
    for hop, starts in ((2, (0, 2, 4)), (3, (0, 3, 4))):
        temporal = asdcore.load_scorer("temporal", window=3, hop=hop, metric=metric, **parameters)
        scores = temporal.fit(train, domain).score(test)
        expected = brute_force(train, test, starts, 3, metric, pool)
        np.testing.assert_allclose(scores["pooled"], expected, rtol=1e-11)
        target = brute_force(train[domain == "target"], test, starts, 3, metric, pool)
        np.testing.assert_allclose(scores["target"], target, rtol=1e-11)


def test_the_same_sound_at_another_time_is_normal(frames):
    train, domain, _ = frames()
    rolled = np.roll(train[:1], 2, axis=1)
    scores = asdcore.load_scorer("temporal", window=1, hop=1, metric="euclidean").fit(train, domain).score(rolled)
    assert scores["pooled"].tolist() == [0.0]


def test_clips_of_any_length_can_be_compared(frames):
    train, domain, test = frames()
    fitted = asdcore.load_scorer("temporal", window=3, hop=2).fit(train, domain)
    assert fitted.score(test[:, :3])["pooled"].shape == fitted.score(test[:, :2])["pooled"].shape == (20,)


@pytest.mark.parametrize("parameters", [{"window": 3, "hop": 2}, {"window": 2, "hop": 5, "metric": "euclidean"}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(frames, leave_one_out, parameters):
    train, domain, _ = frames(n_source=10, n_target=4)
    left_out = asdcore.load_scorer("temporal", **parameters).fit(train, domain).score_left_out()
    for reference, scores in leave_one_out("temporal", train, domain, **parameters).items():
        assert np.array_equal(left_out[reference], scores)


def test_same_bits_in_any_company(frames):
    train, domain, test = frames(n_test=90)
    fitted = asdcore.load_scorer("temporal", window=3, hop=1, pool="top", share=0.7).fit(train, domain)
    whole, some = fitted.score(test), [80, 3, 3, 41]
    assert fitted.score(test[some])["pooled"].tobytes() == whole["pooled"][some].tobytes()
    assert fitted.score(test[:1])["pooled"].tobytes() == whole["pooled"][:1].tobytes()


def test_silence_and_few_target_clips(frames):
    train, domain, test = frames(n_target=1)
    train[:4], test[0] = 0.0, 0.0
    fitted = asdcore.load_scorer("temporal").fit(train, domain)
    assert list(fitted.score(test)) == list(fitted.score_left_out()) == ["pooled", "source"]
    assert fitted.score(test)["pooled"][0] == 0.0
    with pytest.raises(DataError, match="temporal needs at least 2 train normals"):
        asdcore.load_scorer("temporal", references=["target"]).fit(train, domain)


def test_what_cannot_be_compared_is_refused(frames):
    train, domain, test = frames()
    with pytest.raises(DataError, match="Use the pooling 'frames'"):
        asdcore.load_scorer("temporal").fit(train.reshape(len(train), -1), domain)
    with pytest.raises(DataError, match="a band of one value has no direction: use metric = 'euclidean'"):
        asdcore.load_scorer("temporal").fit(train[..., :1], domain)
    with pytest.raises(DataError, match="features of 1 bands of 5 values"):
        asdcore.load_scorer("temporal").fit(train, domain).score(test[:, :, :1])
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        asdcore.load_scorer("temporal").score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0}, "window must be a whole number from 1 to 4294967295"),
        ({"hop": 0}, "hop must be a whole number from 1 to 4294967295"),
        ({"pool": "min"}, "pool must be one of mean, max, top"),
        ({"share": 2}, "share must be a number from 0 to 1"),
        ({"metric": "l1"}, "metric must be one of"),
        ({"references": ["near"]}, "references must be some of"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("temporal", **parameters)


def test_a_hundred_thousand_windows():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(1000, 100, 1, 4)).astype(np.float32)
    fitted = asdcore.load_scorer("temporal", window=1, hop=1, metric="euclidean").fit(train, np.full(1000, "source"))
    clip = rng.normal(size=(1, 100, 1, 4)).astype(np.float32)
    known = train.reshape(-1, 4).astype(float)
    nearest = [np.sqrt(np.square(known - one).sum(axis=1).min()) for one in clip[0, :, 0].astype(float)]
    assert fitted.score(clip)["pooled"][0] == pytest.approx(np.mean(nearest), rel=1e-12)
