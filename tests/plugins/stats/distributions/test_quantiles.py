"""A quantile after some values have gone and others come is that of the values there then are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore_plugins.stats.distributions.quantiles import ChangedQuantile


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), quantile=st.sampled_from([0.0, 0.04, 0.5, 0.93, 1.0]), m=st.integers(1, 60))
def test_equals_numpy_on_the_values_there_then_are(seed, quantile, m):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 20, m) / 7.0
    found = ChangedQuantile(values, quantile)
    gone = [rng.permutation(m)[: rng.integers(0, m + 1)] for _ in range(4)]
    come = [rng.integers(-5, 25, rng.integers(0, 9)) / 7.0 for _ in range(4)]
    after = found.after(
        4,
        found.ranks[np.concatenate(gone)],
        np.repeat(np.arange(4), [len(one) for one in gone]),
        np.concatenate(come),
        np.repeat(np.arange(4), [len(one) for one in come]),
    )
    for i in range(4):
        left = np.concatenate([np.delete(values, gone[i]), come[i]])
        assert after[i] == (np.quantile(left, quantile) if len(left) else -np.inf)


def test_of_no_values_it_is_minus_infinity():
    none = np.empty(0, int)
    assert ChangedQuantile(np.empty(0), 0.5).after(2, none, none, np.empty(0), none).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("quantile", [0.0, 1.0])
def test_many_changes_at_the_ends(quantile):
    found = ChangedQuantile(np.arange(50.0), quantile)
    ends = np.array([*range(10), *range(40, 50)])
    after = found.after(1, found.ranks[ends], np.zeros(20, int), np.array([100.0, -3.0]), np.zeros(2, int))
    assert after[0] == (100.0 if quantile else -3.0)
