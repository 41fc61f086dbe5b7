"""Values of an ONNX graph give what the same formula gives of arrays, and refuse what needs the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import asdcore
from asdcore.contract.onnx.onnx_graph import NotInOnnxError, OnnxGraph, OnnxValue

FORMULAS = {
    "arithmetic": lambda x, y: (2.0 - x) * y / (abs(x) + 1.0) + 3.0 * x - y - 1.0 / (1.0 + x * x),
    "signs": lambda x, y: -x + np.sign(y) * np.abs(x),
    "extremes": lambda x, y: np.maximum(x, y) - np.minimum(x, 0.5) + np.clip(y, -1.0, 2.0),
    "logarithms": lambda x, y: np.log1p(np.abs(x)) + np.log(1.0 + y * y) + np.log10(2.0 + np.square(x)),
    "powers": lambda x, y: np.sqrt(np.abs(x)) + np.abs(y) ** 1.5 + np.power(1.0 + np.abs(x), 0.3),
    "logaddexp": lambda x, y: np.logaddexp(0.0, 40.0 * x) + np.logaddexp(x, y),
    "hyperbolic": lambda x, y: np.arcsinh(x) + np.tanh(y),
    "choices": lambda x, y: np.where(x > y, x, 2.0 * y) + np.where(x <= 0.0, 1.0, np.exp(-np.abs(y))),
    "a float of NumPy first": lambda x, y: np.float64(2.0) * x + np.array([1.0, 2.0, 3.0]) - y,
    "zeros": lambda x, y: np.zeros_like(x) + y,
    "rounding": lambda x, y: np.rint(x) + y,
}
numbers = st.floats(-20, 20, allow_subnormal=False)


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=8, deadline=None)
@given(st.lists(numbers, min_size=3, max_size=3), st.lists(numbers, min_size=3, max_size=3))
def test_a_formula_gives_the_same_as_of_arrays(as_onnx, name, x, y):
    x, y = np.array(x), np.array(y)
    assert as_onnx(FORMULAS[name], x, y) == pytest.approx(FORMULAS[name](x, y), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_number_is_searched_in_a_sorted_array(as_onnx, side):
    ordered = np.array([0.0, 1.0, 1.0, 2.0])
    for x in (-1.0, 1.0, 1.5, 2.0, 3.0):
        given = np.array([x])
        assert as_onnx(lambda v: np.searchsorted(ordered, v, side), given) == np.searchsorted(ordered, given, side)


def test_axes_are_reduced_moved_and_taken(as_onnx):
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(as_onnx(lambda v: v.sum(0, 2), x), x.sum((0, 2)))
    assert np.array_equal(as_onnx(lambda v: v.mean(1, keepdims=True), x), x.mean(1, keepdims=True))
    assert np.array_equal(as_onnx(lambda v: v.max(0) - v.min(0), x), x.max(0) - x.min(0))
    assert np.array_equal(as_onnx(lambda v: v.transpose(2, 0, 1).reshape(4, -1), x), x.transpose(2, 0, 1).reshape(4, 6))
    assert np.array_equal(as_onnx(lambda v: v.take([2, 0], axis=1) @ np.eye(4), x), x[:, [2, 0]])
    assert as_onnx(lambda v: v.take(1).astype(np.float32).astype(np.float64), x).shape == (3, 4)


def test_equal_constants_are_kept_once():
    graph = OnnxGraph()
    first, second = graph.constant([1.0, 2.0]), graph.constant(np.array([1.0, 2.0]))
    assert first.name == second.name != graph.constant([[1.0, 2.0]]).name
    assert (first + second).name.startswith("Add")


@pytest.mark.parametrize(
    "formula",
    [
        lambda v: v if v > 0 else -v,
        lambda v: np.argsort(v),
        lambda v: np.nextafter(v, 0.0),
        lambda v: [*v],
        lambda v: float(v),
        lambda v: np.maximum.reduce([v, v]),
        lambda v: np.asarray(v, np.float64),
        lambda v: np.add(v, v, out=np.zeros(1)),
    ],
)
def test_what_needs_the_numbers_is_refused(formula):
    with pytest.raises(NotInOnnxError):
        formula(OnnxGraph().constant([1.0]))


def test_another_model_is_put_inside_as_often_as_wanted(as_onnx):
    x = np.array([1.0, 2.0])

    def twice(value):
        node = helper.make_node("Add", ["x", "one"], ["y"])
        one = helper.make_tensor("one", TensorProto.DOUBLE, [1], [1.0])
        info = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [2]) for name in "xy"]
        for _ in range(2):
            made = helper.make_graph([node], "inside", info[:1], info[1:], [one])
            (value,) = value.graph.inline(helper.make_model(made), [value])
        return value

    assert np.array_equal(as_onnx(twice, x), x + 2)


def test_it_is_a_public_name():
    assert asdcore.OnnxValue is OnnxValue
    assert asdcore.OnnxGraph is OnnxGraph


@pytest.mark.parametrize("x", [-1.0, 0.0, 0.4, 1.0, 1.5, 2.0, 3.0])
def test_a_value_between_points_is_that_of_numpy(as_onnx, x):
    places, values = np.array([0.0, 1.0, 1.0, 2.0]), np.array([5.0, 4.0, 2.0, 1.0])
    expected = np.interp(np.array([x]), places, values)
    assert as_onnx(lambda v: np.interp(v, places, values) + np.expm1(v), [x]) == pytest.approx(expected + np.expm1(x))
