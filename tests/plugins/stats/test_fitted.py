"""A component that learns gives out what it learned after a fit that succeeded, and takes back a whole state alone."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.fitted import Fitted
from asdcore_plugins.stats.learned import Count


class Middle(Fitted):
    """Learns a mean, and from how many clips; keeps the clips, which new ones do not need."""

    name, fit_call = "middle", "fit(rows)"
    _n: Count
    _mean: Annotated[Floats, "D"]

    def fit(self, rows):
        self._is_fitted = False
        if len(rows) < 2:
            raise DataError("middle needs 2 clips")
        self._n, self._mean, self._rows = len(rows), rows.mean(axis=0), rows
        self._is_fitted, self._is_restored = True, False
        return self


ROWS = np.arange(12.0).reshape(4, 3)


def test_a_state_holds_what_is_annotated_and_nothing_else():
    state = Middle().fit(ROWS).state()
    assert state.keys() == {"n", "mean"}
    assert state["n"] == 4
    assert np.array_equal(state["mean"], ROWS.mean(axis=0))


def test_before_a_fit_and_after_one_that_failed_there_is_no_state():
    middle = Middle()
    with pytest.raises(DataError, match=r"this middle has no train normals yet: call fit\(rows\) first"):
        middle.state()
    middle.fit(ROWS)
    with pytest.raises(DataError, match="needs 2 clips"):
        middle.fit(ROWS[:1])
    with pytest.raises(DataError, match="no train normals yet"):
        middle.state()


def test_a_restored_component_has_the_same_state_and_knows_that_it_is_restored():
    state = Middle().fit(ROWS).state()
    restored = Middle().fit(ROWS + 1.0).restore(state)
    assert restored._is_restored
    assert restored.state()["n"] == 4
    assert restored.state()["mean"].tobytes() == state["mean"].tobytes()
    assert not restored.fit(ROWS)._is_restored


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("mean"), "mean is missing"),
        (lambda state: state.update(mean=np.zeros((2, 3))), r"mean is .*\(2, 3\)"),
        (lambda state: state.update(rows=ROWS), "rows is there, and no key but mean, n is expected"),
    ],
    ids=["missing", "another shape", "one too many"],
)
def test_a_state_that_does_not_fit_leaves_nothing_fitted(change, said):
    middle = Middle().fit(ROWS)
    state = dict(middle.state())
    change(state)
    with pytest.raises(DataError, match=said):
        middle.restore(state)
    with pytest.raises(DataError, match="no train normals yet"):
        middle.state()
