"""Poolings, rounding, transforms and fusions as ONNX are those of a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.basics.rounding import Grid
from asdcore.data.features.pooling import POOLINGS, pool
from asdcore.detector.as_onnx.poolings import WRITTEN, pooled
from asdcore.detector.as_onnx.rounding import on_grid
from asdcore.fusion import FUSIONS, UNWEIGHTED, Normals, fit_fusion
from asdcore.fusion.transforms import TRANSFORMS, fit_transform

QUICK = settings(max_examples=8, deadline=None)
DRAW = np.random.default_rng(5)
NORMALS = DRAW.gamma(2.0, size=40)
NORMALS_TOO = DRAW.normal(size=40)


def test_every_pooling_can_be_written():
    assert WRITTEN.keys() == POOLINGS.keys()


@pytest.mark.parametrize("name", sorted(WRITTEN))
@pytest.mark.parametrize("clean_up", [False, True])
@pytest.mark.parametrize("time", [1, 9])
def test_poolings(as_onnx, name, clean_up, time):
    tokens = DRAW.normal(size=(time, 3, 4)).astype(np.float32)
    special = DRAW.normal(size=(2, 4)).astype(np.float32)
    shape = (1, time, 3, 4) if name == "frames" else (1, -1)
    written = as_onnx(lambda patches, special: pooled(name, patches, special, {"clean_up": clean_up}), tokens, special)
    expected = pool(name, tokens, special, clean_up=clean_up)
    assert written.shape == written.reshape(shape).shape
    assert written.ravel() == pytest.approx(expected.ravel(), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("coarsest", [None, -23, 0, 5])
@QUICK
@given(st.floats(-1e9, 1e9, allow_subnormal=False), st.integers(-60, 60))
def test_rounding(as_onnx, coarsest, value, exponent):
    grid = Grid(coarsest)
    values = np.array([value, 0.0, 1.0, np.float32(0.1), value * 2.0**exponent])
    assert as_onnx(lambda given: on_grid(given, grid), values) == pytest.approx(grid.rounded(values), rel=2.0**-23)


def test_what_is_rounded_stays_as_it_is(as_onnx):
    grid = Grid(-20)
    values = grid.rounded(DRAW.normal(size=2000) * 10.0 ** DRAW.uniform(-5, 5, 2000))
    assert np.array_equal(as_onnx(lambda given: on_grid(given, grid), values), values)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
@QUICK
@given(st.floats(-30, 30, allow_subnormal=False))
def test_transforms(as_onnx, name, z):
    phi = fit_transform(name, {}, NORMALS)
    for value in (z, float(NORMALS.min()), float(NORMALS.max()), float(np.sort(NORMALS)[7])):
        assert as_onnx(phi, [value]) == pytest.approx(phi(np.array([value])), rel=1e-9, abs=1e-12)


PARAMETERS = {
    "gate": {"weights": {"a": 1.0, "b": 3.0}},
    "low_correlation": {"auxiliary": ["b"], "correlation": 1.0},
}


@pytest.mark.parametrize("name", sorted(FUSIONS.keys() - {"trimmed_mean"}))
@QUICK
@given(st.floats(-30, 30, allow_subnormal=False), st.floats(-30, 30, allow_subnormal=False))
def test_fusions(as_onnx, name, first, second):
    weights = {"a": 1.0, "b": 1.0} if name in UNWEIGHTED else {"a": 0.3, "b": 2.0}
    phi = {"a": NORMALS, "b": NORMALS_TOO}
    fuse = fit_fusion(name, PARAMETERS.get(name, {}), Normals(phi, np.array(["source"] * 40), weights))
    for clip in ([first, second], [NORMALS[0], second], [first, NORMALS_TOO.max()], [1.0, 0.2], [1e6, 1e6]):
        written = as_onnx(lambda a, b: fuse({"a": a, "b": b}), [clip[0]], [clip[1]])
        expected = fuse({"a": np.array([clip[0]]), "b": np.array([clip[1]])})
        assert written == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "branches"), [("median", 1), ("median", 3), ("median", 4), ("trimmed_mean", 5), ("trimmed_mean", 6)]
)
def test_what_sorts_any_number_of_branches(as_onnx, name, branches):
    values = DRAW.normal(size=(branches, 1))
    names = [f"b{i}" for i in range(branches)]
    normals = Normals(dict.fromkeys(names, NORMALS), np.array(["source"] * 40), dict.fromkeys(names, 1.0))
    fuse = fit_fusion(name, {}, normals)
    written = as_onnx(lambda *given: fuse(dict(zip(names, given, strict=True))), *values)
    assert written == pytest.approx(fuse(dict(zip(names, values, strict=True))), rel=1e-15)
