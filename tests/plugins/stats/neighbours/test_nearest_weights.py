"""The weighted sum of distances is the mean of the nearest, with infinite distances and ties."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asdcore_plugins.stats.neighbours.exact import mean_nearest
from asdcore_plugins.stats.neighbours.nearest_weights import nearest_weights

DISTANCES = st.sampled_from([0.0, 0.5, 1.0, 3.0, np.inf])


@settings(deadline=None)
@given(st.data(), st.integers(1, 7), st.integers(1, 9))
def test_weights_make_the_mean_of_the_nearest(data, n_train, k):
    distances = data.draw(arrays(np.float64, (3, n_train), elements=DISTANCES))
    bank = np.flatnonzero(data.draw(arrays(bool, n_train).filter(np.any)))
    weights = nearest_weights(distances, bank, k)
    counted = np.where(weights > 0, distances, 0.0)
    expected = mean_nearest(np.take(distances, bank, axis=1), k)
    there = np.isfinite(expected)
    np.testing.assert_allclose((weights * counted).sum(axis=1)[there], expected[there])
    assert not weights[~there].any()
    assert not weights[:, np.setdiff1d(np.arange(n_train), bank)].any()
    assert not weights[np.isinf(distances)].any()
