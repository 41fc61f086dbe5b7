"""Linear autoencoder: the library's principal components of stacked frames, and no better one to be trained."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA

import asdcore
from asdcore import DataError


def data(n=12, time=20, bands=6, dim=1, seed=0):
    """Clips whose bands swing together in a few ways, as machines do, and test clips with another one."""
    rng = np.random.default_rng(seed)
    ways, other = rng.normal(size=(2, bands * dim)), rng.normal(size=(1, bands * dim))
    train = rng.normal(size=(n, time, 2)) @ ways + 0.1 * rng.normal(size=(n, time, bands * dim)) - 60.0
    test = train[:6] + (np.arange(6) % 2)[:, None, None] * (rng.normal(size=(6, time, 1)) @ other)
    shape = (time, bands, dim)
    return (
        train.reshape(n, *shape).astype(np.float32),
        np.full(n, "source"),
        test.reshape(6, *shape).astype(np.float32),
    )


def stacked_frames(clip, stacked):
    """(time, band, dim) -> windows, frame after frame."""
    rows = clip.reshape(len(clip), -1).astype(float)
    return sliding_window_view(rows, stacked, axis=0).transpose(0, 2, 1).reshape(len(rows) - stacked + 1, -1)


@pytest.mark.parametrize("stacked", [1, 5, 20])
@pytest.mark.parametrize("dim", [1, 2])
def test_is_the_mean_squared_error_of_sklearns_reconstruction(stacked, dim):
    train, domain, test = data(dim=dim)
    pca = PCA(4, svd_solver="full").fit(np.concatenate([stacked_frames(clip, stacked) for clip in train]))
    scorer = asdcore.load_scorer("linear_autoencoder", components=4, stacked=stacked).fit(train, domain)
    for clip, score in zip(test, scorer.score(test)["pooled"], strict=True):
        vectors = stacked_frames(clip, stacked)
        error = np.square(vectors - pca.inverse_transform(pca.transform(vectors))).mean()
        assert score == pytest.approx(error, rel=1e-6)


def test_no_trained_linear_autoencoder_has_a_smaller_error():
    train, domain, _ = data(time=12, bands=3)
    fitted = asdcore.load_scorer("linear_autoencoder", components=2, stacked=2).fit(train, domain)
    closed = fitted.score(train)["pooled"].mean()
    vectors = np.concatenate([stacked_frames(clip, 2) for clip in train])
    vectors -= vectors.mean(axis=0)
    code = np.random.default_rng(1).normal(size=(6, 2))
    for _ in range(200):  # alternating least squares: the best decoder, then the best encoder
        decoder = np.linalg.lstsq(vectors @ code, vectors, rcond=None)[0]
        code = np.linalg.pinv(decoder)
    trained = np.square(vectors - vectors @ code @ decoder).mean()
    assert closed == pytest.approx(trained, rel=1e-6)


def test_another_way_to_swing_is_an_anomaly():
    train, domain, test = data()
    scores = asdcore.load_scorer("linear_autoencoder").fit(train, domain).score(test)["pooled"]
    assert scores[1::2].min() > 10.0 * scores[::2].max()


def test_more_components_than_the_frames_span_are_as_many_as_they_span():
    rng = np.random.default_rng(2)
    train = (rng.normal(size=(9, 15, 2)) @ rng.normal(size=(2, 10)))[..., None].astype(np.float32)
    domain, test = np.full(9, "source"), rng.normal(size=(4, 15, 10, 1)).astype(np.float32)
    few, many = (
        asdcore.load_scorer("linear_autoencoder", components=k, stacked=1).fit(train, domain).score(test)["pooled"]
        for k in (2, 7)
    )
    assert many == pytest.approx(few, rel=0.2)
    assert (many > 0.1).all()


@pytest.mark.parametrize(
    ("parameters", "shape", "message"),
    [
        ({}, (3, 8, 1), r"clips of 3 frames hold no window of 5\. Set stacked to 3 at most"),
        ({"components": 40}, (9, 8, 1), "40 values; more than 40 components and at most 4096"),
        ({}, (9, 100, 10), "5000 values; more than 8 components and at most 4096"),
        ({}, (8,), r"linear_autoencoder reads frames .*pooling to 'frames'"),
    ],
)
def test_frames_that_do_not_fit_are_refused(parameters, shape, message):
    train = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    with pytest.raises(DataError, match=message):
        asdcore.load_scorer("linear_autoencoder", **parameters).fit(train, np.full(4, "source"))


@pytest.mark.parametrize("parameters", [{"components": 0}, {"stacked": 1.5}])
def test_bad_parameters(parameters):
    with pytest.raises(asdcore.PluginError, match=f"{next(iter(parameters))} must be a whole number from"):
        asdcore.load_scorer("linear_autoencoder", **parameters)
