"""Squared distances from products: no further from the measured ones than their bounds say, which are small."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore_plugins.stats.neighbours import bounded_squares, compiled_products
from asdcore_plugins.stats.neighbours.bounded_squares import BoundedSquares


def measured(clips, bank, metric):
    apart = asdcore.distances(clips, bank, metric)
    return np.square(apart) if metric == "euclidean" else 4.0 * apart


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e4])
@pytest.mark.parametrize("values", [1 << 20, 90])
def test_errors_are_bounded(metric, offset, values, monkeypatch):
    monkeypatch.setattr(bounded_squares, "VALUES", values)
    rng = np.random.default_rng(0)
    bank, clips = ((offset + rng.normal(size=(n, 30))).astype(np.float32) for n in (70, 9))
    bank[3], bank[5], clips[1], clips[2] = 0.0, bank[4], 0.0, bank[7] * np.float32(1.0001)
    squares, errors = BoundedSquares(bank, metric).of(clips)
    expected = measured(clips, bank, metric)
    assert (np.abs(squares - expected) <= errors).all()
    assert (errors <= 1e-10 * (1.0 + np.square(offset)) * max(1.0, expected.max())).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_errors_of_compiled_products_are_bounded_as_well(metric, offset, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiled_products, "WORTH", 0)
    rng = np.random.default_rng(0)
    bank, clip = ((offset + rng.normal(size=(n, 30))).astype(np.float32) for n in (70, 1))
    bank[3], bank[5] = 0.0, bank[4]
    held = BoundedSquares(bank, metric)
    squares, errors = held.of(clip)
    assert (np.abs(squares - measured(clip, bank, metric)) <= errors).all()
    monkeypatch.setattr(compiled_products, "MOST_VECTORS", 0)
    converted, same_errors = held.of(clip)
    np.testing.assert_allclose(squares, converted, rtol=1e-12, atol=1e-12)
    assert errors.tobytes() == same_errors.tobytes()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [1e-38, 1e37])
def test_extreme_features_have_bounds_as_well(metric, scale):
    rng = np.random.default_rng(1)
    bank, clips = (np.float32(scale) * rng.normal(size=(n, 6)).astype(np.float32) for n in (20, 4))
    squares, errors = BoundedSquares(bank, metric).of(clips)
    assert (np.abs(squares - measured(clips, bank, metric)) <= errors).all()
    assert np.isfinite(errors).all()
