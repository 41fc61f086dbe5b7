"""Ranks among sorted values are those in one sorted list, whatever was merged when."""

from __future__ import annotations

import bisect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.monitor import sorted_values
from asdcore.monitor.sorted_values import SortedValues

NUMBERS = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e300, 1e300))


@given(reference=st.lists(NUMBERS), heard=st.lists(NUMBERS, max_size=40), few=st.integers(1, 9))
def test_ranks_are_those_in_one_sorted_list(reference, heard, few):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_values, "FEW", few)
        values, plain = SortedValues(reference), sorted(reference)
        for value in heard:
            assert values.below(value) == bisect.bisect_left(plain, value)
            assert values.above(value) == len(plain) - bisect.bisect_right(plain, value)
            values.add(value)
            bisect.insort(plain, value)
            assert len(values) == len(plain)
        assert values.values().tolist() == plain
        assert SortedValues(values.values()).values().tolist() == plain


def test_one_more_among_many_moves_few(monkeypatch):
    values, copied = SortedValues(np.arange(100_000.0)), []
    merge = sorted_values._as_array
    monkeypatch.setattr(sorted_values, "_as_array", lambda array: (copied.append(len(array)), merge(array))[1])
    for value in np.random.default_rng(0).uniform(0, 1e5, 3 * sorted_values.FEW).tolist():
        values.add(value)
    assert copied == [100_000 + n * sorted_values.FEW for n in (1, 2, 3)]
