"""What a class declares as learned is its state; what comes back is what was there, or one refusal that says why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.fitted.kinds import Array, Each, Fields, Listed, Maybe, OneOf
from asdcore_plugins.fitted.learned import Fitted, Learned, attributes


@dataclass(frozen=True)
class Line:
    centre: float
    scale: float


class Cloud(Learned):
    learned = attributes(_mean=Array("d"), _inverse=Array("d d"))

    def __init__(self, mean, inverse):
        self._mean, self._inverse = mean, inverse


class Base(Fitted):
    name = "base"
    learned = attributes(_shape=Listed(int), _bank=Maybe(Array("n d", "float32")), _members=Each(Array("m", "int64")))

    def fit(self):
        self._shape, self._bank = (2, 3), np.arange(6, dtype=np.float32).reshape(2, 3)
        self._members = {"source": np.array([0]), "pooled": np.array([0, 1])}
        self._is_fitted = True
        return self


class Scorer(Base):
    learned = attributes(_models=Each(OneOf(Cloud, Fields(Line, centre=float, scale=float))), _cloud=Cloud)

    def fit(self):
        self._cloud = Cloud(np.zeros(2), np.eye(2))
        self._models = {"source": self._cloud, "target": Line(-0.0, float("inf"))}
        return super().fit()


def test_a_class_adds_to_what_its_bases_learn():
    assert Scorer().fit().state().keys() == {"shape", "bank", "members", "models", "cloud"}


def test_what_comes_back_is_what_was_there():
    state = Scorer().fit().state()
    again = Scorer().restore(state)
    assert again._shape == (2, 3)
    assert again._models["target"] == Line(-0.0, float("inf"))
    assert str(again.state()) == str(state)
    assert again._bank.dtype == np.float32


def test_none_comes_back_as_none():
    fitted = Base().fit()
    fitted._bank = None
    assert Base().restore(fitted.state())._bank is None


def test_a_state_stays_what_it_is():
    fitted = Base().fit()
    state = fitted.state()
    fitted._bank[:] = -1.0
    assert state["bank"].max() == 5.0
    with pytest.raises(ValueError, match="read-only"):
        state["bank"][:] = 0.0


def test_what_was_restored_does_not_follow_an_array_that_someone_changes():
    mine = np.array(Base().fit().state()["bank"])
    view = mine.view()
    view.setflags(write=False)
    for given in (mine, view):
        mine[:] = 1.0
        restored = Base().restore({**Base().fit().state(), "bank": given})
        mine[:] = 9.0
        assert restored._bank.max() == 1.0


def test_an_array_that_nobody_can_change_is_not_copied():
    state = Base().fit().state()
    assert np.shares_memory(Base().restore(state)._bank, state["bank"])


def test_arrays_come_in_c_order():
    fitted = Base().fit()
    fitted._bank = np.asfortranarray(fitted._bank)
    assert fitted.state()["bank"].flags.c_contiguous


def test_another_type_than_declared_is_not_rounded_in_silence():
    fitted = Base().fit()
    fitted._bank = fitted._bank.astype(np.float64)
    with pytest.raises(TypeError, match="float64 was learned where float32 is declared"):
        fitted.state()


def test_before_fit_there_is_no_state():
    with pytest.raises(DataError, match="call fit"):
        Base().state()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bank": ...}, "it lacks 'bank'"),
        ({"more": 1.0}, "it has an unknown 'more'"),
        ({"bank": np.zeros((2, 3))}, r"'bank' is an array \(2, 3\) of float64 instead of an array \(n, d\) of float32"),
        ({"bank": "text"}, "'bank' is a str instead of an array"),
        ({"shape": [2, 3.0]}, "'shape' is a float instead of int"),
        ({"shape": 2}, "'shape' is an int instead of a list of int"),
        ({"members": {"source": np.zeros((1, 1), np.int64)}}, r"'members/source' is an array \(1, 1\)"),
        ({"models": {"source": {"Circle": {}}}}, "'models/source' has 'Circle' instead of Cloud or Line"),
        ({"models": {"source": {"Line": {"centre": 0.0}}}}, "'models/source/Line' lacks 'scale'"),
        ({"cloud": {"mean": np.zeros(2), "inverse": np.eye(3)}}, r"'cloud/inverse' is an array \(3, 3\).*\(d=2, d=2\)"),
        ({"cloud": None}, "'cloud' is a NoneType instead of a dict"),
    ],
)
def test_a_state_that_lies_is_refused_by_key(change, words):
    state = {key: value for key, value in {**Scorer().fit().state(), **change}.items() if value is not ...}
    scorer = Scorer().fit()
    with pytest.raises(DataError, match=f"no state of base .*: {words}"):
        scorer.restore(state)
    with pytest.raises(DataError, match="call fit"):
        scorer.state()
