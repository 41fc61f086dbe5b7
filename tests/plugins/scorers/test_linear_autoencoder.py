"""Linear autoencoder: the library's principal components of stacked frames, and no better one to be trained."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

import asdcore
from asdcore import DataError

ALL = ["pooled", "source", "target"]


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


def two_domains():
    """Clips of which the last four are of the target domain, and swing less."""
    train, _, test = data()
    train[8:] = 0.5 * train[8:] - 30.0
    return train, np.array(["source"] * 8 + ["target"] * 4), test


def residuals(train, clip, components, stacked):
    """Windows less scikit-learn's reconstruction of them by the components of all train normals."""
    pca = PCA(components, svd_solver="full").fit(np.concatenate([stacked_frames(one, stacked) for one in train]))
    vectors = stacked_frames(clip, stacked)
    return vectors - pca.inverse_transform(pca.transform(vectors))


@pytest.mark.parametrize("score", ["mahalanobis", "mahalanobis_paper"])
def test_selective_scores_equal_their_formulas(score):
    train, domain, test = two_domains()
    scorer = asdcore.load_scorer("linear_autoencoder", components=2, stacked=2, score=score, references=ALL)
    found, width, expected = scorer.fit(train, domain).score(test), 6 if score == "mahalanobis" else 12, {}
    for name in ("source", "target"):
        rows = np.concatenate([residuals(train, clip, 2, 2) for clip in train[domain == name]]).reshape(-1, width)
        # Along the components there are no residuals, and no variance.
        inverse = np.linalg.pinv(np.cov(rows.T), rcond=1e-9, hermitian=True)
        apart = [residuals(train, clip, 2, 2).reshape(-1, width) for clip in test]
        apart = [one.mean(axis=0, keepdims=True) if score == "mahalanobis" else one for one in apart]
        expected[name] = np.array([((one @ inverse) * one).sum(axis=1) for one in apart])
    expected["pooled"] = np.minimum(expected["source"], expected["target"])
    for name, distances in expected.items():
        parts = 1 if score == "mahalanobis" else width
        np.testing.assert_allclose(found[name], distances.mean(axis=1) / parts, rtol=1e-5)


@pytest.mark.parametrize("score", ["mahalanobis", "mahalanobis_paper"])
def test_selective_scores_have_the_same_bits_in_any_company(score):
    train, domain, test = two_domains()
    scorer = asdcore.load_scorer("linear_autoencoder", score=score).fit(train, domain)
    whole = scorer.score(test)["pooled"]
    assert [scorer.score(test[i : i + 1])["pooled"].tobytes() for i in range(6)] == [one.tobytes() for one in whole]
    with threadpool_limits(2):
        assert scorer.score(test[::-1])["pooled"].tobytes() == whole[::-1].tobytes()


def test_without_enough_target_clips_the_source_is_pooled():
    train, domain, test = two_domains()
    domain[9:] = "source"
    scorer = asdcore.load_scorer("linear_autoencoder", score="mahalanobis_paper", references=ALL).fit(train, domain)
    scores = scorer.score(test)
    assert list(scores) == ["pooled", "source"]
    assert np.array_equal(scores["pooled"], scores["source"])
    with pytest.raises(DataError, match="finds too few residuals in target to invert"):
        asdcore.load_scorer("linear_autoencoder", score="mahalanobis", references=["target"]).fit(train, domain)


def test_a_domain_whose_residuals_do_not_vary_is_refused():
    train, domain, _ = two_domains()
    train[8:] = train[8, 0]
    with pytest.raises(DataError, match="all target train normals leave the same residuals"):
        asdcore.load_scorer("linear_autoencoder", components=2, stacked=1, score="mahalanobis").fit(train, domain)


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


def test_an_unknown_score_is_refused():
    with pytest.raises(asdcore.PluginError, match="score must be one of mse, mahalanobis, mahalanobis_paper, got 'l1'"):
        asdcore.load_scorer("linear_autoencoder", score="l1")
