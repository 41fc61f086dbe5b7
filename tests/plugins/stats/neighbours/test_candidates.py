"""The k smallest, block by block: those of all blocks together, and nothing that may be near is passed over."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.neighbours.candidates import add_block, bound, smallest


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("width", [2, 9, 200])
def test_block_by_block_is_all_at_once(k, width):
    rough = np.random.default_rng(0).integers(0, 50, (6, 120)).astype(np.float32)
    rough[2, :100], slack = np.inf, np.full((6, 1), 2.0)
    least, found = np.full((6, k), np.inf, np.float32), np.zeros(rough.shape, bool)
    for start in range(0, 120, width):
        block = np.ascontiguousarray(rough[:, start : start + width])
        flat, least = add_block(block, least, slack)
        query, column = np.divmod(flat, block.shape[1])
        found[query, start + column] = True
    expected = np.sort(rough, axis=1)[:, :k]
    assert np.array_equal(np.sort(least, axis=1), expected)
    assert np.array_equal(np.sort(smallest(rough, np.full((6, k), np.inf, np.float32)), axis=1), expected)
    may_be = np.isfinite(rough) & (rough <= expected[:, -1:] + slack)
    assert not (may_be & ~found).any()


def test_a_limit_is_finite_and_no_less_than_what_it_is_made_of():
    least = np.array([[1.0, 3.0], [1.0, np.inf]], np.float32)
    found = bound(least, np.array([[0.5], [0.5]]))
    assert 3.5 <= found[0, 0] < 3.50001
    assert found[1, 0] == np.finfo(np.float32).max
