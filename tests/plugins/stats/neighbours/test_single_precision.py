"""Distances in single precision: never farther off than they say, against extended precision."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.neighbours.prepared_rows import prepared
from asdcore_plugins.stats.neighbours.single_precision import FAR, laid_out

BANKS = {
    "plain": lambda values: values,
    "far from 0": lambda values: 1e4 + values,
    "closer than single precision": lambda values: 1e6 + 1e-7 * values,
    "tiny": lambda values: 1e-30 * values,
    "one direction huge": lambda values: values * np.geomspace(1.0, 1e12, values.shape[1]),
    "all the same": lambda values: np.ones_like(values),
}


def drawn(kind, metric, dim=10):
    """A bank (200, dim), prepared queries (20, dim), and the bank laid out."""
    rng = np.random.default_rng(0)
    bank, queries = (BANKS[kind](rng.normal(size=(n, dim))) for n in (200, 20))
    return bank, prepared(queries, metric), laid_out(bank, metric)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", BANKS)
def test_two_distances_differ_as_their_approximations_do_within_the_slack(kind, metric):
    bank, queries, single = drawn(kind, metric)
    drawn_queries, slack = single.seen(queries)
    approximate = (single.lengths + drawn_queries @ single.rows.T).astype(np.longdouble)
    rows = prepared(bank, metric).astype(np.longdouble)
    true = np.square((queries[:, None] - rows) * np.longdouble(single.scale)).sum(axis=2)
    off = (approximate - approximate[:, :1]) - (true - true[:, :1])
    assert np.isfinite(slack).all()
    assert (np.abs(off) <= slack).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", BANKS)
def test_rows_have_a_radius_of_at_most_one_and_a_scale_that_rounds_nothing(kind, metric):
    single = drawn(kind, metric)[2]
    assert single.rows.dtype == single.lengths.dtype == np.float32
    assert np.frexp(single.scale)[0] == 0.5, "a power of two"
    lengths = np.square(single.rows.astype(np.float64)).sum(axis=1)
    assert lengths.max() <= 1.0 + 1e-6
    assert np.allclose(single.lengths, lengths, rtol=1e-5, atol=1e-30)
    assert lengths.max() >= 0.2 or kind == "all the same"


def test_a_query_too_far_for_single_precision_says_so():
    _, queries, single = drawn("plain", "euclidean")
    queries[3] += 10.0 * FAR / single.scale
    seen, slack = single.seen(queries)
    assert np.flatnonzero(np.isinf(slack[:, 0])).tolist() == [3]
    assert not seen[3].any()
