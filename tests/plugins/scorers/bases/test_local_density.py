"""What a density divides by has a floor."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.scorers.bases.local_density import floor


def test_a_floor_is_a_share_of_the_median_positive_density():
    rng = np.random.default_rng(0)
    rho, known = rng.normal(size=(6, 25)), rng.random((6, 25)) < 0.6
    expected = [1e-6 * np.median(row[some & (row > 0)]) for row, some in zip(rho, known, strict=True)]
    assert floor(rho, known, "ldn")[:, 0].tolist() == expected
    with pytest.raises(DataError, match="ldn finds all 25 train normals repeated"):
        floor(np.zeros((2, 25)), np.ones((2, 25), bool), "ldn")
