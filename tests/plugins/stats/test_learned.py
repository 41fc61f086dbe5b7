"""What a fit learned comes back as it was, or is refused in words that say what was found and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest

from asdcore import DataError, PluginError
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.learned import LEARNED, Count, Learned, Number, Stored, learned_by, state_of


@dataclass(frozen=True)
class Line(Learned):
    mean: Annotated[Floats, "D"]
    basis: Annotated[Floats, "K D"]
    spread: Number
    root: bool


class Learner:
    _n: Count
    _shape: Annotated[tuple[int, ...], "time D"]
    _members: Annotated[Mapping[str, Indices], "*", "n"]
    _lines: Annotated[Mapping[str, Line], LEARNED]
    _bank: Annotated[Floats32 | None, "n ..."]
    _kept: Annotated[tuple[str, ...], "kept"]
    neither: int = 3

    def __init__(self):
        line = Line(np.arange(3.0), np.ones((2, 3)), 0.5, True)
        self._n, self._shape, self._kept = 4, (7, 3), ("b", "a")
        self._members = {"b": np.array([0, 3]), "a": np.array([1])}
        self._lines = {"b": line, "a": line}
        self._bank = np.zeros((4, 2, 5), np.float32)


def stored(state: Any) -> Stored:
    return Stored("knn", state, ("a", "b"), {"root": False, "another": 1})


def read(state: Any) -> dict[str, Any]:
    reader = stored(state)
    attributes = reader.attributes(Learner)
    reader.done()
    return attributes


def test_a_class_says_in_its_annotations_what_its_fit_learns():
    assert list(learned_by(Learner)) == ["_n", "_shape", "_members", "_lines", "_bank", "_kept"]
    assert list(state_of(Learner())) == ["n", "shape", "members", "lines", "bank", "kept"]
    assert state_of(Learner())["lines"]["b"].keys() == {"mean", "basis", "spread"}


def test_what_was_given_out_is_taken_back_in_the_order_of_the_references():
    learner = Learner()
    attributes = read(state_of(learner))
    assert (attributes["_n"], attributes["_shape"], attributes["_kept"]) == (4, (7, 3), ("b", "a"))
    assert list(attributes["_members"]) == list(attributes["_lines"]) == ["a", "b"]
    np.testing.assert_array_equal(attributes["_members"]["b"], [0, 3])
    assert attributes["_lines"]["a"].spread == 0.5
    assert attributes["_lines"]["a"].root is False, "a parameter comes from the component, not from the state"
    assert read({**state_of(learner), "bank": None})["_bank"] is None


def test_nobody_changes_the_learner_through_its_state():
    learner = Learner()
    state = state_of(learner)
    for array in (state["bank"], state["members"]["a"], state["lines"]["a"]["mean"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
    state["members"].clear()
    assert state_of(learner)["members"].keys() == {"a", "b"}


def test_nobody_changes_what_was_taken_back_through_the_state():
    state = {**state_of(Learner()), "bank": np.ones((4, 2), np.float32)}
    bank = read(state)["_bank"]
    state["bank"][...] = 2.0
    assert (bank == 1.0).all()
    assert not bank.flags.writeable


def test_an_array_that_nobody_can_change_is_not_copied():
    bank = np.ones((4, 2), np.float32)
    bank.flags.writeable = False
    assert np.shares_memory(read({**state_of(Learner()), "bank": bank})["_bank"], bank)


def test_columns_that_lie_side_by_side_are_not_given_out():
    learner = Learner()
    learner._bank = np.asfortranarray(np.zeros((4, 2), np.float32))
    with pytest.raises(PluginError, match=r"_bank is not laid out row after row.*ascontiguousarray"):
        state_of(learner)


GONE = object()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n", GONE, "n is missing, and a value is expected"),
        ("n", -1, "n is -1, and a whole number of at least 0 is expected"),
        ("n", 4.0, "n is 4.0, and a whole number"),
        ("n", True, "n is True, and a whole number"),
        ("n", 3, "members.b is from 0 to 3, and 0 to 2 is expected"),
        ("n", 5, r"bank is float32 \(4, 2, 5\), and float32 \(n = 5, ...\) is expected"),
        ("shape", [7], r"shape is \[7\], and a row of lengths \(time, D\) is expected"),
        ("shape", [7, -3], r"shape is \[7, -3\], and a row of lengths"),
        ("shape", [7, 4], r"lines.a.mean is float64 \(3,\), and float64 \(D = 4\) is expected"),
        ("shape", "73", "shape is '73', and"),
        ("members", {}, "members is a table of nothing, and a table of some of a, b is expected"),
        ("members", {"c": np.array([1])}, "members is a table of c, and a table of some of a, b"),
        ("members", {"a": np.array([1])}, "lines is a table of b, a, and a table of a, as beside it, is expected"),
        ("members", {"a": np.array([1.0])}, r"members.a is float64 \(1,\), and int64 \(\*\) is expected"),
        ("members", {"a": np.array([-1])}, "members.a is from -1 to -1, and 0 to 3"),
        ("members", np.array([1]), r"members is int64 \(1,\), and a table of some of"),
        ("lines", {"a": 3, "b": 3}, "lines.a is 3, and a table is expected"),
        ("bank", np.zeros((4, 2)), r"bank is float64 \(4, 2\), and float32 \(n = 4, ...\)"),
        ("bank", [[1.0]], r"bank is \[\[1.0\]\], and float32"),
        ("bank", GONE, "bank is missing"),
        ("kept", ["c"], r"kept is \['c'\], and some of a, b is expected"),
        ("kept", None, "kept is None, and some of a, b"),
        ("another", 1, "another is there, and no key but bank, kept, lines, members, n, shape is expected"),
    ],
)
def test_another_state_is_refused(key, value, message):
    state = {**state_of(Learner()), key: value}
    with pytest.raises(DataError, match=f"not the state of a knn with these parameters: {message}"):
        read({key: value for key, value in state.items() if value is not GONE})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("spread", 1, "lines.a.spread is 1, and a float is expected"),
        ("basis", np.zeros((2, 4)), r"lines.a.basis is float64 \(2, 4\), and float64 \(K, D = 3\) is expected"),
        ("more", 1, "lines.a.more is there, and no key but basis, mean, spread is expected"),
    ],
)
def test_another_state_within_a_state_is_refused(key, value, message):
    state = state_of(Learner())
    state["lines"]["a"][key] = value
    with pytest.raises(DataError, match=message):
        read(state)


def test_a_state_is_a_table():
    with pytest.raises(DataError, match=r"it is \[1\], and a table is expected"):
        stored([1])
