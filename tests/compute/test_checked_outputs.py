"""asdcore.compute.checked_outputs: a plugin returns one finite value for each clip, or is told."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.compute.checked_outputs import finite, one_value_each
from asdcore.errors import DataError, PluginError


def test_values_become_float64():
    values = one_value_each([1, 2], 2, "scorer 'knn'", "scores")
    assert values.dtype == np.float64
    assert values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("values", [[1.0], [[1.0], [2.0]], 1.0])
def test_another_shape_is_refused_with_the_shape_it_has(values):
    shape = str(np.shape(values)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(PluginError, match=rf"scorer 'knn' gave scores {shape} for 2 clips; \(2,\) is the contract"):
        one_value_each(values, 2, "scorer 'knn'", "scores")


def test_values_that_are_not_finite_are_counted():
    assert finite(np.array([1.0, -2.0]), "guard 'tail'", "penalties").tolist() == [1.0, -2.0]
    with pytest.raises(DataError, match="guard 'tail' gave 2 penalties that are not finite"):
        finite(np.array([1.0, np.nan, np.inf]), "guard 'tail'", "penalties")
