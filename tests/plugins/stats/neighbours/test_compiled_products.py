"""Compiled products: as near as their rounding allows, only for few vectors of a bank that was asked for often."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from asdcore.contract.source_code.imports import imported_names
from asdcore_plugins.stats.neighbours import compiled_products
from asdcore_plugins.stats.neighbours.compiled_products import CompiledProducts, compiled


@pytest.fixture
def at_once(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiled_products, "WORTH", 0)


@pytest.mark.parametrize("width", [1, 7, 768])
@pytest.mark.parametrize("may_be_written", [False, True])
def test_they_are_as_near_as_double_precision_allows(at_once, width, may_be_written):
    rng = np.random.default_rng(width)
    bank, vectors = rng.normal(size=(50, width)).astype(np.float32), rng.normal(size=(2, width))
    bank.setflags(write=may_be_written)
    vectors.setflags(write=may_be_written)
    exact = vectors.astype(np.longdouble) @ bank.astype(np.longdouble).T
    products = CompiledProducts(bank).of(vectors)
    assert products is not None
    off = width * 2.0**-53 * (np.abs(vectors) @ np.abs(bank).T.astype(np.float64))
    assert (np.abs(products - exact) <= off * 1.01).all()


def test_values_that_are_not_finite_stay_what_they_are(at_once):
    bank = np.array([[np.inf, 1.0], [np.nan, 1.0], [np.inf, -np.inf]], np.float32)
    products = CompiledProducts(bank).of(np.ones((1, 2)))
    assert products is not None
    np.testing.assert_array_equal(products[0], [np.inf, np.nan, np.nan])


def test_the_loop_is_compiled_once_it_has_become_worth_it(monkeypatch):
    pytest.importorskip("numba")
    bank, vector = np.ones((4, 5), np.float32), np.ones((1, 5))
    monkeypatch.setattr(compiled_products, "WORTH", 2 * bank.size)
    products = CompiledProducts(bank)
    assert [products.of(vector) is None for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("bank", "vectors"),
    [
        (np.ones((4, 5), np.float32), np.ones((3, 5))),
        (np.ones((5, 4), np.float32).T, np.ones((1, 5))),
        (np.ones((4, 5)), np.ones((1, 5))),
    ],
    ids=["many vectors", "columns", "double precision"],
)
def test_what_converted_rows_do_better_is_left_to_them(at_once, bank, vectors):
    assert CompiledProducts(bank).of(vectors) is None


def test_without_numba_there_are_none(monkeypatch):
    monkeypatch.setattr(compiled_products, "WORTH", 0)
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.cache_clear()
    try:
        assert CompiledProducts(np.ones((4, 5), np.float32)).of(np.ones((1, 5))) is None
    finally:
        compiled.cache_clear()


def test_numba_is_not_pinned_as_no_bit_hangs_on_it():
    assert "numpy" in imported_names(Path(compiled_products.__file__))
    assert "numba" not in imported_names(Path(compiled_products.__file__))
