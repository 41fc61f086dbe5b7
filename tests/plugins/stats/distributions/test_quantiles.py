"""The quantile of a row is numpy's of the finite values in it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore_plugins.stats.distributions.quantiles import row_quantiles


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), quantile=st.sampled_from([0.0, 0.04, 0.5, 0.93, 1.0]), k=st.integers(0, 12))
def test_equals_numpy_on_the_finite_values_of_each_row(seed, quantile, k):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 20, (7, k)) / 7.0
    values[rng.random((7, k)) < 0.3] = np.inf
    quantiles = row_quantiles(values, quantile)
    for row, of_row in zip(values, quantiles, strict=True):
        finite = row[np.isfinite(row)]
        assert of_row == (np.quantile(finite, quantile) if len(finite) else -np.inf)
