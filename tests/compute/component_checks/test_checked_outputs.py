"""asdcore.compute.component_checks.checked_outputs: a plugin returns one finite value for each clip, or is told."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.compute.component_checks.checked_outputs import finite, one_value_each, real_numbers
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


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([1 + 0j, 2]), "of type complex128; real numbers are the contract"),
        (np.array([1.0, 2.0], dtype=object), "of type object; real numbers are the contract"),
        (["1", "2"], "of type <U1; real numbers are the contract"),
        (np.array([1, 2], dtype="m8[s]"), r"of type timedelta64\[s\]; real numbers"),
        (np.ma.masked_greater([1.0, 2.0], 1.5), "that are masked in part; a number for each is the contract"),
    ],
)
def test_what_a_conversion_would_change_in_silence_is_refused(values, told):
    with pytest.raises(PluginError, match=f"scorer 'knn' gave scores {told}"):
        one_value_each(values, 2, "scorer 'knn'", "scores")


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "longdouble", "int32", "uint8", "bool"])
def test_every_kind_of_real_number_is_allowed(dtype):
    values = np.array([0, 1], dtype=dtype)
    assert real_numbers(values, "") is values
    assert one_value_each(values, 2, "scorer 'knn'", "scores").tolist() == [0.0, 1.0]
    assert one_value_each(np.ma.masked_greater([0.0, 1.0], 5), 2, "scorer 'knn'", "scores").tolist() == [0.0, 1.0]
