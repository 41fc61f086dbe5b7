"""Clips that links lead to, against the connected components of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from asdcore_plugins.stats.neighbours.repeated_clips import lowest_linked


@pytest.mark.parametrize("seed", range(20))
def test_the_lowest_clip_of_a_component_is_found(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    clips, others = rng.integers(n, size=(2, int(rng.integers(0, n + 1))))
    label = connected_components(coo_array((np.ones(len(clips)), (clips, others)), shape=(n, n)), directed=False)[1]
    expected = [np.flatnonzero(label == label[clip])[0] for clip in range(n)]
    assert lowest_linked(clips, others, n).tolist() == expected


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_is_one(step):
    chain = np.arange(1000)[::step]
    assert not lowest_linked(chain[1:], chain[:-1], 1000).any()
