"""Shares of a distance are what each feature adds to it: at least 0, and together the distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import asdcore
from asdcore.data.features.distance_shares import distance_shares
from asdcore.errors import DataError

VALUES = st.one_of(st.just(0.0), st.floats(2**-10, 1024, width=32), st.floats(-1024, -(2**-10), width=32))


@settings(deadline=None)
@given(st.data(), st.integers(1, 6), st.sampled_from(["cosine", "euclidean"]))
def test_shares_add_up_to_the_distance_also_of_zero_vectors(data, dim, metric):
    clip, bank = (data.draw(arrays(np.float32, (n, dim), elements=VALUES)) for n in (1, 4))
    shares = distance_shares(clip, bank, metric)
    assert shares.shape == (4, dim)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), asdcore.distances(clip, bank, metric)[0], rtol=1e-12, atol=1e-15)


def test_frames_are_flattened():
    rng = np.random.default_rng(0)
    clip, bank = (rng.normal(size=(n, 5, 3, 2)).astype(np.float32) for n in (1, 4))
    shares = distance_shares(clip, bank, "euclidean")
    np.testing.assert_allclose(shares.sum(axis=1), asdcore.distances(clip, bank, "euclidean")[0])
    assert shares.shape == (4, 30)


def test_a_feature_that_does_not_differ_adds_nothing():
    clip = np.array([[1.0, 2.0, 3.0]], np.float32)
    shares = distance_shares(clip, clip + np.array([[0.0, 1.0, 0.0]], np.float32), "euclidean")
    assert shares.tolist() == [[0.0, 1.0, 0.0]]


def test_other_metrics_and_sizes_are_refused():
    clip = np.ones((1, 3), np.float32)
    with pytest.raises(ValueError, match="metric must be one of cosine, euclidean, got 'manhattan'"):
        distance_shares(clip, clip, "manhattan")
    with pytest.raises(DataError, match=r"features \(3,\) of a clip cannot be compared with \(2,\)"):
        distance_shares(clip, clip[:, :2])
