"""Distances: exact for near-duplicates, and the same bits for a pair of clips in any company."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits

import asdcore
from asdcore import DataError
from asdcore.data.features import distances as module
from asdcore.data.features.distances import PreparedBank, distances

METRICS = ("cosine", "euclidean")


def data(n=40, m=90, dim=33, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)).astype(np.float32), rng.normal(size=(m, dim)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
def test_equals_sklearn(metric):
    features, bank = data()
    expected = pairwise_distances(features.astype(float), bank.astype(float), metric=metric)
    found = asdcore.distances(features, bank, metric)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected / (2 if metric == "cosine" else 1), rtol=1e-11)


@pytest.mark.parametrize(("metric", "exact"), [("cosine", 2.0**-42), ("euclidean", 2.0**-20)])
def test_near_duplicates_keep_their_digits(metric, exact):
    bank = np.array([[1.0, 0.0], [1.0, 2.0**-20], [0.0, 1.0]], np.float32)
    assert asdcore.distances(bank[:1], bank, metric)[0, 1] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_clips_are_at_exactly_0_and_a_bank_with_itself_is_symmetric(metric):
    _, bank = data()
    bank[7] = bank[3]
    within = asdcore.distances(bank, bank, metric)
    assert (np.diag(within) == 0).all()
    assert within[3, 7] == 0
    assert np.array_equal(within, within.T)
    assert np.array_equal(within, asdcore.distances(bank.copy(), bank, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_same_bits_in_any_company(metric, monkeypatch):
    features, bank = data()
    whole = asdcore.distances(features, bank, metric)
    some, others = [5, 3, 3, 39], [88, 2, 61]
    assert asdcore.distances(features[some], bank, metric).tobytes() == whole[some].tobytes()
    assert asdcore.distances(features[:1], bank[others], metric).tobytes() == whole[:1, others].tobytes()
    assert asdcore.distances(np.asfortranarray(features), bank, metric).tobytes() == whole.tobytes()
    monkeypatch.setattr(module, "IN_CACHE", 7 * 33)
    with threadpool_limits(2):
        assert asdcore.distances(features, bank, metric).tobytes() == whole.tobytes()
        bank[0] = features[0]
        assert np.array_equal(asdcore.distances(bank, bank, metric)[0, 1:], whole[0, 1:])


def test_silence_is_like_silence_and_at_a_right_angle_to_sound():
    bank = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    assert asdcore.distances(bank, bank, "cosine").tolist() == [[0.0, 0.5], [0.5, 0.0]]


def test_frames_are_flattened_and_no_clips_give_no_rows():
    features, bank = data(dim=24)
    flat = asdcore.distances(features, bank)
    assert np.array_equal(asdcore.distances(features.reshape(-1, 2, 3, 4), bank.reshape(-1, 2, 3, 4)), flat)
    assert asdcore.distances(features[:0], bank).shape == (0, 90)


def test_what_cannot_be_compared_is_refused():
    features, bank = data()
    with pytest.raises(DataError, match=r"features of 32 values a clip.*train normals of 33.*other than 'frames'"):
        asdcore.distances(features[:, :32], bank)
    with pytest.raises(ValueError, match="metric must be one of cosine, euclidean, got 'manhattan'"):
        asdcore.distances(features, bank, "manhattan")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_prepared_bank_gives_the_same_bits_and_refuses_other_sizes(metric):
    clips, bank = (np.random.default_rng(seed).normal(size=(n, 7)).astype(np.float32) for seed, n in ((0, 3), (1, 9)))
    again = PreparedBank(bank, metric).distances(clips)
    assert again.tobytes() == distances(clips, bank, metric).tobytes()
    with pytest.raises(DataError, match="features of 6 values a clip cannot be compared with train normals of 7"):
        PreparedBank(bank, metric).distances(clips[:, :6])
