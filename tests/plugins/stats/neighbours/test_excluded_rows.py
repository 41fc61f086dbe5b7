"""Rows that a query must not use, against one comparison after another."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.neighbours.excluded_rows import ExcludedRows


def drawn(seed):
    """Clips of queries and of rows (several rows a clip, some queries of no row's clip), and distances."""
    rng = np.random.default_rng(seed)
    n, m, clips = int(rng.integers(1, 12)), int(rng.integers(1, 40)), int(rng.integers(1, 15))
    queries, rows = rng.integers(clips + 3, size=n), rng.integers(clips, size=m)
    return queries, np.sort(rows) if seed % 2 else rows, rng.random((n, m)), rng.random((n, clips)) < 0.4


def expected(distances, used):
    """Distances (n, m), infinite for the pairs of query and row that ``used`` says False of."""
    spoiled = distances.copy()
    for i, j in np.ndindex(*distances.shape):
        if not used(i, j):
            spoiled[i, j] = np.inf
    return spoiled


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_query_loses_the_rows_of_its_own_clip(seed, size):
    queries, rows, distances, _ = drawn(seed)
    whole = expected(distances, lambda i, j: queries[i] != rows[j])
    excluded = ExcludedRows(queries, rows)
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        part = distances[:, block].copy()
        excluded.exclude(part, block)
        assert np.array_equal(part, whole[:, block])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_query_loses_the_rows_of_every_clip_that_it_must_not_use(seed, size):
    queries, rows, distances, gone = drawn(seed)
    whole = expected(distances, lambda i, j: not gone[i, rows[j]])
    excluded = ExcludedRows(queries, rows, gone)
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        part = distances[:, block].astype(np.float32)
        excluded.exclude(part, block)
        assert np.array_equal(part, whole[:, block].astype(np.float32))


@pytest.mark.parametrize("among_all", [False, True])
def test_a_part_of_the_queries_loses_what_it_lost_among_all(among_all):
    queries, rows, distances, gone = drawn(4)
    excluded = ExcludedRows(queries, rows, gone if among_all else None)
    whole = distances.copy()
    excluded.exclude(whole, slice(None))
    for i in range(len(queries)):
        part = distances[i : i + 1].copy()
        excluded.of(slice(i, i + 1)).exclude(part, slice(None))
        assert np.array_equal(part, whole[i : i + 1])
