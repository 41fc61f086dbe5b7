"""PaDiM: the Mahalanobis distance of every patch, by the library, and its largest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

import asdcore
from asdcore import DataError


def data(n=20, time=6, bands=3, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(n, time, bands, dim)) * np.arange(1.0, dim + 1) + 10.0 * np.arange(bands)[:, None]
    return train.astype(np.float32), np.full(n, "source"), (train[:5] + rng.normal(size=train[:5].shape)).astype("f4")


def by_hand(train, clip, ridge, channels):
    """The distance of every patch (time, band)."""
    train, clip = train[..., channels].astype(float), clip[..., channels].astype(float)
    distances = np.empty(clip.shape[:2])
    for band in range(clip.shape[1]):
        patches = train[:, :, band].reshape(-1, len(channels))
        inverse = np.linalg.inv(
            np.cov(patches, rowvar=False).reshape(len(channels), -1) + ridge * np.eye(len(channels))
        )
        for time in range(len(clip)):
            distances[time, band] = mahalanobis(clip[time, band], patches.mean(axis=0), inverse)
    return distances


@pytest.mark.parametrize("ridge", [0.01, 2.0])
def test_is_the_largest_distance_of_a_patch(ridge):
    train, domain, test = data()
    scores = asdcore.load_scorer("padim", ridge=ridge).fit(train, domain).score(test)["pooled"]
    expected = [by_hand(train, clip, ridge, np.arange(4)).max() for clip in test]
    assert np.allclose(scores, expected, rtol=1e-9)


@pytest.mark.parametrize(("top", "count"), [(0.05, 1), (0.25, 5), (0.5, 9)])
def test_top_is_the_mean_over_a_share_of_the_patches_rounded_up(top, count):
    train, domain, test = data()
    scores = asdcore.load_scorer("padim", top=top).fit(train, domain).score(test)["pooled"]
    expected = [np.sort(by_hand(train, clip, 0.01, np.arange(4)), axis=None)[-count:].mean() for clip in test]
    assert np.allclose(scores, expected, rtol=1e-9)


def test_channels_are_the_same_choice_for_every_band_and_another_for_another_seed():
    train, domain, test = data(dim=12)
    found = []
    for seed in (0, 1):
        fitted = asdcore.load_scorer("padim", channels=3, seed=seed).fit(train, domain)
        chosen = fitted._models["pooled"].chosen
        assert len(set(chosen)) == 3
        expected = [by_hand(train, clip, 0.01, chosen).max() for clip in test]
        assert np.allclose(fitted.score(test)["pooled"], expected, rtol=1e-9)
        found.append(tuple(chosen))
    assert found[0] != found[1]


def test_pooled_features_are_one_frame():
    train, domain, test = data(time=1)
    frames = asdcore.load_scorer("padim").fit(train, domain).score(test)["pooled"]
    pooled = asdcore.load_scorer("padim", bands=3).fit(train.reshape(20, 12), domain).score(test.reshape(5, 12))
    assert frames.tobytes() == pooled["pooled"].tobytes()


def test_time_does_not_matter():
    train, domain, test = data()
    fitted = asdcore.load_scorer("padim").fit(train, domain)
    assert np.array_equal(fitted.score(test)["pooled"], fitted.score(test[:, ::-1])["pooled"])


def test_fewer_patches_than_channels_are_no_trouble():
    for scale in (1.0, 1e6):
        train, domain, test = (array[:3] for array in data(time=1, dim=50))
        scores = asdcore.load_scorer("padim").fit(scale * train, domain).score(scale * test)["pooled"]
        assert np.isfinite(scores).all()


def test_pooled_features_without_bands_are_refused():
    train, domain, _ = data()
    with pytest.raises(DataError, match="padim reads frames"):
        asdcore.load_scorer("padim").fit(train.reshape(20, -1), domain)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"channels": 0}, "channels must be a whole number"),
        ({"ridge": 0}, "ridge must be a number above 0"),
        ({"top": 1}, "top must be a number above 0 and below 1, got 1"),
        ({"top": -0.5}, "top must be a number"),
        ({"bands": 0}, "bands must be a whole number"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("padim", **parameters)
