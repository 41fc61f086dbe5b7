"""Rows as the search compares them: the distances between them are those of asdcore."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore_plugins.stats.neighbours.prepared_rows import prepared


@pytest.mark.parametrize("metric", asdcore.METRICS)
def test_distances_between_prepared_rows_are_the_metric(metric):
    features = np.random.default_rng(0).normal(size=(30, 7)).astype(np.float32)
    features[[3, 8]] = 0.0
    rows = prepared(features, metric)
    assert rows.dtype == np.float64
    assert rows.flags.c_contiguous
    squares = np.square(rows[:, None] - rows).sum(axis=2)
    between = squares / 4.0 if metric == "cosine" else np.sqrt(squares)
    np.testing.assert_allclose(between, asdcore.distances(features, features, metric), rtol=1e-12)


@pytest.mark.parametrize("metric", asdcore.METRICS)
def test_the_features_are_left_as_they_are_in_any_layout(metric):
    features = np.random.default_rng(1).normal(size=(6, 9)).T
    before = features.copy()
    assert prepared(features, metric).tobytes() == prepared(before, metric).tobytes()
    assert np.array_equal(features, before)
