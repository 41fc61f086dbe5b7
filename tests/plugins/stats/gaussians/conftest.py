"""What tests of Gaussians share: a Gaussian is estimated anew from the clips that stay."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.gaussians.gaussian import estimate


def _refitted(clips, group, how, gone, rows):
    """Distances (n, groups) of rows by the Gaussian of the clips that stay; inf from a group of which none does."""
    stay = np.setdiff1d(np.arange(len(clips)), gone)
    left, place = np.unique(group[stay], return_inverse=True)
    distances = np.full((len(rows), group.max() + 1), np.inf)
    distances[:, left] = estimate(clips[stay], place, how).distances(rows)
    return distances


@pytest.fixture(scope="session")
def refitted():
    """A function: clips, their groups, the estimate and the clips left out -> distances of rows."""
    return _refitted
