"""State and restore: what keeps the contract passes, each way to break it fails the check that is named after it."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from asdcore import DataError
from asdcore.authoring.conformance.bench.same_bits import bits_apart
from asdcore.authoring.conformance.restoring.restores import CHECKS
from asdcore.testing import checks, run_checks

MODULE = {}
REFERENCES = ("pooled", "source", "target")


class Nearest:
    """Distance to the nearest train normal of each domain, in units of that domain's median, or by given distances."""

    metric = "euclidean"

    def __init__(self, gain=1.0):
        self._gain = gain

    def fit(self, features, domain):
        self._bank = features.astype(np.float64)
        return self._learn(self._to_bank(features), domain)

    def fit_distances(self, distances, domain):
        self._bank = None
        return self._learn(distances, domain)

    def score(self, features):
        return self.score_distances(self._to_bank(features))

    def score_distances(self, distances):
        self._check()
        return {
            name: self._gain * np.take(distances, rows, axis=1).min(axis=1) / self._unit[name]
            for name, rows in self._rows.items()
        }

    def state(self):
        self._check()
        bank = None if self._bank is None else self._bank.copy()
        return {
            "bank": bank,
            "rows": {name: rows.copy() for name, rows in self._rows.items()},
            "unit": dict(self._unit),
        }

    def restore(self, state):
        self._bank, self._rows, self._unit = state["bank"], dict(state["rows"]), dict(state["unit"])
        return self

    def _learn(self, distances, domain):
        self._rows = {
            name: np.flatnonzero((domain == name) | (name == "pooled")) for name in ("pooled", "source", "target")
        }
        self._unit = {name: float(np.median(np.take(distances, rows, axis=1))) for name, rows in self._rows.items()}
        return self

    def _to_bank(self, features):
        self._check("_bank")
        return np.stack([np.sqrt(np.square(self._bank - clip).sum(axis=1)) for clip in features.astype(np.float64)])

    def _check(self, what="_unit"):
        if not hasattr(self, what):
            raise DataError("fit first")


class Standard:
    """z of the pooled scores."""

    def fit(self, scores, domain):
        self._mean, self._deviation = float(scores["pooled"].mean()), float(scores["pooled"].std()) + 1e-9
        return self

    def transform(self, scores):
        if not hasattr(self, "_mean"):
            raise DataError("fit first")
        return (scores["pooled"] - self._mean) / self._deviation

    def state(self):
        if not hasattr(self, "_mean"):
            raise DataError("fit first")
        return {"mean": self._mean, "deviation": self._deviation}

    def restore(self, state):
        self._mean, self._deviation = state["mean"], state["deviation"]
        return self


class Half:
    """A guard that takes back half of the excess."""

    def fit(self, base, z, domain):
        self._tail = float(np.quantile(base, 0.95))
        return self

    def penalty(self, base, z):
        if not hasattr(self, "_tail"):
            raise DataError("fit first")
        return np.maximum(base - self._tail, 0.0) * 0.5

    def state(self):
        if not hasattr(self, "_tail"):
            raise DataError("fit first")
        return {"tail": self._tail}

    def restore(self, state):
        self._tail = state["tail"]
        return self


class OnlyState(Nearest):
    restore = property()


class OnlyRestore(Nearest):
    state = property()


class ReturnsNothing(Nearest):
    def restore(self, state):
        super().restore(state)


class EmptyBeforeFit(Standard):
    def state(self):
        return {"mean": getattr(self, "_mean", 0.0), "deviation": getattr(self, "_deviation", 1.0)}


class HoldsAnObject(Nearest):
    def state(self):
        return {**super().state(), "unit": {"pooled": object()}}


class HoldsTexts(Nearest):
    def state(self):
        return {**super().state(), "names": np.array(["pooled"])}


class HoldsAListOfFloats(Standard):
    def state(self):
        return {**super().state(), "mean": [self._mean]}


class HoldsASlash(Standard):
    def state(self):
        return {**super().state(), "a/b": 1}


class IsATuple(Standard):
    def state(self):
        return tuple(super().state().values())


class RoundsTheBank(Nearest):
    def restore(self, state):
        bank = state["bank"]
        return super().restore({**state, "bank": bank if bank is None else (bank * 1.1).astype(np.float32) / 1.1})


class RoundsTheUnit(Nearest):
    def state(self):
        return {**super().state(), "unit": {name: float(np.float32(unit)) for name, unit in self._unit.items()}}


class RoundsTheMean(Standard):
    def state(self):
        return {**super().state(), "mean": float(np.float32(self._mean))}


class RoundsTheTail(Half):
    def state(self):
        return {"tail": round(self._tail, 12)}


class DropsAReference(Nearest):
    def state(self):
        state = super().state()
        return {**state, "rows": {name: rows for name, rows in state["rows"].items() if name != "target"}}


class ForgetsTheDomains(Nearest):
    def restore(self, state):
        return super().restore({**state, "rows": dict.fromkeys(state["rows"], state["rows"]["pooled"])})


class ForgetsDomainsOfDistances(Nearest):
    def restore(self, state):
        rows = state["rows"] if state["bank"] is not None else dict.fromkeys(state["rows"], state["rows"]["pooled"])
        return super().restore({**state, "rows": rows})


class DiffersForOneClip(Nearest):
    def restore(self, state):
        self._shift = 1e-15
        return super().restore(state)

    def score(self, features):
        shift = getattr(self, "_shift", 0.0) if len(features) == 1 else 0.0
        return {name: scores * (1.0 + shift) for name, scores in super().score(features).items()}


class NotFromAFile(Standard):
    def state(self):
        return {name: np.float64(value) for name, value in super().state().items()}

    def restore(self, state):
        return super().restore({name: value.astype(np.float64) for name, value in state.items()})


class InItsModule(Nearest):
    def state(self):
        MODULE["bank"] = super().state()
        return {"n": len(self._rows["pooled"])}

    def restore(self, state):
        assert state["n"]
        return super().restore(MODULE["bank"])


class InItsClass(Standard):
    last = None

    def state(self):
        type(self).last = super().state()
        return {"which": "last"}

    def restore(self, state):
        assert state["which"]
        return super().restore(self.last)


class InATemporaryFile(Standard):
    def place(self):
        return Path(tempfile.gettempdir()) / "standard.npy"

    def state(self):
        np.save(self.place(), list(super().state().values()))
        return {"n": 2}

    def restore(self, state):
        self._mean, self._deviation = np.load(self.place())[: state["n"]].tolist()
        return self


class BesideTheProgram(InATemporaryFile):
    def place(self):
        return Path("standard.npy")


class AtAFixedPlace(Standard):
    def state(self):
        path = Path(tempfile.gettempdir()) / "standard.npy"
        np.save(path, list(super().state().values()))
        return {"path": str(path)}

    def restore(self, state):
        self._mean, self._deviation = np.load(state["path"]).tolist()
        return self


class InTheEnvironment(Standard):
    def state(self):
        os.environ["ASDCORE_TEST_MEAN"] = repr(super().state()["mean"])
        return {"deviation": self._deviation}

    def restore(self, state):
        return super().restore({"mean": float(os.environ["ASDCORE_TEST_MEAN"]), **state})


class EndsTheProcess(Standard):
    def restore(self, state):
        if Path.cwd().name == "fresh":
            os._exit(3)
        return super().restore(state)


class CountsCalls(Standard):
    calls = 0

    def transform(self, scores):
        z = super().transform(scores)
        self.calls += 1
        return z

    def state(self):
        return {**super().state(), "calls": self.calls}

    def restore(self, state):
        self.calls = state["calls"]
        return super().restore(state)


class KeepsTheArraysOfFit(Nearest):
    def fit(self, features, domain):
        super().fit(features, domain)
        self._given = features
        return self

    def state(self):
        state = super().state()
        return state if self._bank is None else {**state, "bank": self._given}

    def restore(self, state):
        bank = state["bank"]
        return super().restore({**state, "bank": None if bank is None else bank.astype(np.float64)})


class KeepsItsOwnArray(Half):
    def __init__(self):
        self._all = np.zeros(1)

    def fit(self, base, z, domain):
        self._all[0] = np.quantile(base, 0.95)
        self._tail = float(self._all[0])
        return self

    def state(self):
        super().state()
        return {"tail": self._all}

    def restore(self, state):
        return super().restore({"tail": float(state["tail"][0])})


class AddsUp(Standard):
    _mean = 0.0

    def state(self):
        if not hasattr(self, "_deviation"):
            raise DataError("fit first")
        return super().state()

    def transform(self, scores):
        if not hasattr(self, "_deviation"):
            raise DataError("fit first")
        return super().transform(scores)

    def restore(self, state):
        return super().restore({**state, "mean": self._mean + state["mean"]})


class KeepsACache(Nearest):
    def fit(self, features, domain):
        self._cached = None
        return super().fit(features, domain)

    def fit_distances(self, distances, domain):
        self._cached = None
        return super().fit_distances(distances, domain)

    def score_distances(self, distances):
        self._check()
        self._unit = self._cached = getattr(self, "_cached", None) or self._unit
        return super().score_distances(distances)


class TakesHalf(Standard):
    def restore(self, state):
        self._mean, self._deviation = state.get("mean", 0.0), state["deviation"]
        return self


class TakesAnything(Half):
    def restore(self, state):
        vars(self).update({f"_{name}": value for name, value in state.items()})
        return self


class HoldsMore(Half):
    def state(self):
        return {**super().state(), "train": np.zeros(3)}


HONEST = [("scorer", Nearest), ("normalizer", Standard), ("guard", Half)]
FAULTS = [
    (OnlyState, "check_state_comes_with_restore", "has state alone"),
    (OnlyRestore, "check_state_comes_with_restore", "has restore alone"),
    (ReturnsNothing, "check_state_comes_with_restore", "restore returned NoneType, not the restored ReturnsNothing"),
    (EmptyBeforeFit, "check_state_comes_with_restore", "state before fit raised nothing"),
    (HoldsAnObject, "check_state_holds_what_can_be_kept", "at 'unit/pooled' a object"),
    (HoldsTexts, "check_state_holds_what_can_be_kept", "at 'names' an array of <U6"),
    (HoldsAListOfFloats, "check_state_holds_what_can_be_kept", r"at 'mean\[0\]' a float"),
    (HoldsASlash, "check_state_holds_what_can_be_kept", "a key 'a/b'"),
    (IsATuple, "check_state_holds_what_can_be_kept", "state returned a tuple, not a mapping"),
    (
        RoundsTheBank,
        "check_restores_exactly",
        r"from its state, all clips at once: pooled of row \d+ is .* apart",
    ),
    (
        RoundsTheUnit,
        "check_restores_exactly",
        r"pooled of row \d+ is .* instead of .* apart, .* of the value",
    ),
    (RoundsTheMean, "check_restores_exactly", r"z of row \d+ is .* apart"),
    (RoundsTheTail, "check_restores_exactly", r"penalty of row \d+ is .* apart"),
    (DropsAReference, "check_restores_exactly", "target is missing; there is pooled, source"),
    (ForgetsTheDomains, "check_restores_exactly", r"(source|target) of row \d+ is .* apart"),
    (
        ForgetsDomainsOfDistances,
        "check_restores_exactly",
        r"Fitted on distances: .*(source|target) of row \d+ is",
    ),
    (DiffersForOneClip, "check_restores_exactly", r"one clip at a time: pooled of row \d is"),
    (NotFromAFile, "check_restores_exactly", "'float' object has no attribute 'astype'"),
    (InItsModule, "check_restores_in_a_new_process", "In a new process there came KeyError: 'bank' .*MODULE"),
    (InItsClass, "check_restores_in_a_new_process", "In a new process there came TypeError: 'NoneType'"),
    (InATemporaryFile, "check_restores_in_a_new_process", "In a new process there came FileNotFoundError"),
    (BesideTheProgram, "check_restores_in_a_new_process", "In a new process there came FileNotFoundError"),
    (
        AtAFixedPlace,
        "check_restores_in_a_new_process",
        "it opened .*standard.npy, written while",
    ),
    (InTheEnvironment, "check_restores_in_a_new_process", "KeyError: 'ASDCORE_TEST_MEAN'"),
    (EndsTheProcess, "check_restores_in_a_new_process", "there came the exit code 3"),
    (CountsCalls, "check_state_stays_as_it_was", "After it scored clips, state returns another 'calls'"),
    (
        KeepsTheArraysOfFit,
        "check_state_stays_as_it_was",
        "After the arrays given to fit changed, .* another 'bank'",
    ),
    (KeepsItsOwnArray, "check_state_stays_as_it_was", "After another fit, the state has another 'tail'"),
    (AddsUp, "check_restore_forgets", r"Restored after a fit to other train normals, .*: z of row \d+ is .* apart"),
    (KeepsACache, "check_restore_forgets", "Restored after a fit to other train normals, .*pooled of row"),
    (TakesHalf, "check_every_key_of_a_state_is_needed", r"took a state without 'mean', and z of row \d+ is .* apart"),
    (
        TakesAnything,
        "check_every_key_of_a_state_is_needed",
        "without 'tail'; penalty then raised DataError",
    ),
    (HoldsMore, "check_every_key_of_a_state_is_needed", "without 'train', and the bits are the same"),
]


def kind_of(component):
    return next(kind for kind, honest in HONEST if issubclass(component, honest))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("ASDCORE_TEST_MEAN", "0")
    monkeypatch.delenv("ASDCORE_TEST_MEAN")


@pytest.mark.parametrize(("kind", "make"), HONEST, ids=str)
def test_an_honest_component_passes_every_check(kind, make):
    assert [result for result in run_checks(kind, make) if not result.passed] == []


@pytest.mark.parametrize(("make", "check", "words"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_a_fault_fails_the_check_named_after_it(make, check, words):
    with pytest.raises(Exception, match=words):
        checks(kind_of(make))[check](make)


@pytest.mark.parametrize("make", [RoundsTheBank, DropsAReference, ForgetsTheDomains])
def test_what_is_lost_fails_one_check_and_no_other(make):
    assert [result.name for result in run_checks("scorer", make) if not result.passed] == ["check_restores_exactly"]


@pytest.mark.parametrize("check", [check.__name__ for check in CHECKS])
def test_a_component_without_both_passes(check):
    class Neither(Standard):
        state = restore = property()

    checks("normalizer")[check](Neither)


SINGLE_FILE = """
import asdcore

kept = {}


class Lowest:
    def __init__(self, gain=1.0):
        self.gain, self.lowest = gain, None

    def fit(self, scores, domain):
        self.lowest = float(scores["pooled"].min())
        return self

    def transform(self, scores):
        if self.lowest is None:
            raise asdcore.DataError("fit first")
        return self.gain * (scores["pooled"] - self.lowest)

    def state(self):
        if self.lowest is None:
            raise asdcore.DataError("fit first")
        return {"lowest": self.lowest}

    def restore(self, state):
        self.lowest = state["lowest"]
        return self


class Remembers(Lowest):
    def state(self):
        kept.update(super().state())
        return {"n": 1}

    def restore(self, state):
        return super().restore(kept if state["n"] else {})
"""


@pytest.fixture
def single_file(tmp_path, monkeypatch):
    path = tmp_path / "plugins" / "lowest_of_all.py"
    path.parent.mkdir()
    path.write_text(SINGLE_FILE)
    spec = importlib.util.spec_from_file_location("lowest_of_all", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lowest_of_all", module)
    spec.loader.exec_module(module)
    return module


def test_a_plugin_in_a_single_file_is_built_in_the_new_process(single_file):
    check = checks("normalizer")["check_restores_in_a_new_process"]
    check(single_file.Lowest)
    check(functools.partial(single_file.Lowest, gain=2.0))
    check(lambda: single_file.Lowest(gain=2.0))
    for make in (single_file.Remembers, lambda: single_file.Remembers(gain=2.0)):
        with pytest.raises(AssertionError, match="In a new process there came KeyError: 'lowest'"):
            check(make)


def test_what_the_new_process_cannot_build_is_still_checked_in_this_one():
    seen = {}

    class Inside(Standard):
        def state(self):
            seen.update(super().state())
            return {"mean": 0.0}

        def restore(self, state):
            return super().restore({**seen, **state})

    failed = [result.name for result in run_checks("normalizer", Inside) if not result.passed]
    assert "check_restores_exactly" in failed
    checks("normalizer")["check_restores_in_a_new_process"](Inside)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "pooled is missing; there is nothing"),
        ({"pooled": np.zeros(2), "more": np.zeros(2)}, "more is there too, besides pooled"),
        ({"pooled": np.zeros(2, np.float32)}, r"pooled is \(2,\) float32 instead of \(2,\) float64"),
        ({"pooled": np.array([0.0, -0.0])}, "pooled of row 1 is -0.0 instead of 0.0: 0 apart; 1 of 2 rows differ"),
        ({"pooled": np.array([0.0, np.nan])}, "pooled of row 1 is nan instead of 0.0"),
        ({"pooled": np.array([0.5, 2.0])}, "pooled of row 1 is 2.0 instead of 0.0: 2 apart; 2 of 2 rows differ"),
    ],
)
def test_what_differs_is_told_with_its_name_and_row(changed, words):
    assert re.fullmatch(words + ".*", bits_apart({"pooled": np.zeros(2)}, changed))


def test_every_check_has_a_fault_above():
    assert {check for _, check, _ in FAULTS} == {check.__name__ for check in CHECKS}
