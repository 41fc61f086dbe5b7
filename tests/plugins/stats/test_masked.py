"""Medians and slopes over some of the clips of several banks are those of numpy over these clips."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore_plugins.stats.masked import medians, slopes


@pytest.fixture
def banks():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 25)), rng.normal(size=(6, 25)), rng.random((6, 25)) < 0.6


def test_medians_equal_numpys(banks):
    values, _, known = banks
    known[3] = False
    found = medians(values, known)
    assert np.isnan(found[3])
    for i in (0, 1, 2, 4, 5):
        assert found[i] == np.median(values[i, known[i]])


def test_slopes_are_those_of_least_squares(banks):
    values, by, known = banks
    found = slopes(values, by, known)
    for i in range(6):
        assert found[i, 0] == pytest.approx(np.polyfit(by[i, known[i]], values[i, known[i]], 1)[0], rel=1e-10)


def test_where_nothing_varies_beyond_rounding_there_is_no_slope(banks):
    values, by, known = banks
    assert (slopes(values, 0.1 + 1e-17 * by, known) == 0).all()
