"""Medians of what is read in blocks are those of the whole, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.explanation import medians as module
from asdcore.explanation.medians import medians

numbers = st.floats(0, 1e300) | st.sampled_from([0.0, 5e-324, 1.0, np.nextafter(1.0, 2.0)])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 40), st.sampled_from([1, 10, 10_000]))
def test_the_median_is_that_of_all_numbers_at_once(data, n_rows, n_frames, kept):
    rows = st.lists(numbers, min_size=n_frames, max_size=n_frames)
    values = np.array(data.draw(st.lists(rows, min_size=n_rows, max_size=n_rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", kept)
        blocks = [values[:, start : start + 7] for start in range(0, n_frames, 7)]
        assert np.array_equal(medians(lambda: blocks, n_rows, n_frames), np.median(values, axis=1))


def test_a_few_passes_are_enough(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 2000)
    values, passes = np.random.default_rng(0).exponential(size=(4, 10_000)), []
    found = medians(lambda: passes.append(None) or [values], *values.shape)
    assert np.array_equal(found, np.median(values, axis=1))
    assert len(passes) <= 4
