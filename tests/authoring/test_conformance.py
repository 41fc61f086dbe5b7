"""Every shared check, for every kind whose rows are clips: honest components pass all, each leak fails its check.

The leaks are put around the same small honest components, at their outputs or at their inputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asdcore import DataError, PluginError, Tokens
from asdcore.authoring.conformance.one_clip_alone import ROW_CHECKS
from asdcore.contract.plugins import Plugins
from asdcore.testing import (
    check_installed,
    checks,
    dataset_checks,
    encoder_checks,
    guard_checks,
    normalizer_checks,
    run_checks,
    scorer_checks,
    view_checks,
)

KINDS = ("view", "encoder", "scorer", "normalizer", "guard")
Memory = dict[str, Any]
Leak = Callable[[Any, Memory], Any]
SEEN_BY_MODULE: Memory = {}


def honest(values: Any, memory: Memory) -> Any:
    """Rows of one output -> the same rows."""
    return values


class Component:
    """An honest component of any kind, around which faults are put.

    leak : what is done to every output (n_clips, ...), given what this object remembers.
    spoil : "fit" or "call", the inputs that are written to; or "base", the batch that an input is a view of is read.
    floor : what keeps divisions by zero away.
    """

    sample_rate, layers = 2000, (0, 1)

    def __init__(self, leak: Leak = honest, spoil: str = "", floor: float = 1e-9) -> None:
        self._leak, self._spoil, self._floor = leak, spoil, floor
        self._memory: Memory = {}
        self._fitted = False
        self._beside = 0.0

    def _out(self, values: Any) -> Any:
        beside = values + self._beside if self._beside else values
        return self._leak(beside, self._memory).astype(values.dtype)

    def _touch(self, when: str, *arrays: Any) -> None:
        if when == "call" and not self._fitted and not isinstance(self, (View, Encoder)):
            raise DataError("call fit first")
        if when == self._spoil:
            for array in arrays:
                array += 1.0
        if self._spoil == "base" and when == "call":
            self._beside = float(np.mean(arrays[0].base)) if arrays[0].base is not None else 0.0


class View(Component):
    def __call__(self, audio: Any, sample_rate: int) -> Any:
        self._touch("call", audio)
        waveform = audio[0] / (np.abs(audio[0]).max() + np.float32(self._floor))
        return self._out(waveform[None])[0]


class Encoder(Component):
    def encode(self, audio: Any, layers: Any) -> dict[Any, Tokens]:
        if set(layers) - set(self.layers):
            raise ValueError(f"unknown layer among {layers}")
        self._touch("call", audio)
        frames = np.square(audio[:, : audio.shape[1] // 500 * 500]).reshape(len(audio), -1, 1, 500)
        patches = np.log(frames.mean(axis=-1, keepdims=True) + self._floor).astype(np.float32)
        return {layer: Tokens(self._out((1 + layer) * patches), patches[:, :1, 0]) for layer in layers}


class Scorer(Component):
    def fit(self, features: Any, domain: Any) -> Scorer:
        self._touch("fit", features)
        self._fitted = True
        rows = self._unit(features)
        self._n = len(rows)
        self._mean, self._train = rows.mean(axis=0), rows
        return self

    def score(self, features: Any) -> dict[str, Any]:
        self._touch("call", features)
        return {"pooled": self._out(np.square(self._unit(features) - self._mean).sum(axis=1))}

    def score_left_out(self) -> dict[str, Any]:
        return {"pooled": np.square(self._train - self._mean).sum(axis=1) * (self._n / (self._n - 1)) ** 2}

    def _unit(self, features: Any) -> Any:
        rows = features.astype(np.float64)
        return rows / (np.sqrt(np.square(rows).sum(axis=1, keepdims=True)) + self._floor)


class Normalizer(Component):
    def fit(self, scores: Mapping[str, Any], domain: Any) -> Normalizer:
        self._touch("fit", *scores.values())
        self._fitted = True
        self._low, self._median, self._high = np.quantile(scores["pooled"], [0.25, 0.5, 0.75])
        return self

    def transform(self, scores: Mapping[str, Any]) -> Any:
        self._touch("call", *scores.values())
        return self._out((scores["pooled"] - self._median) / (self._high - self._low + self._floor))


class Guard(Component):
    def fit(self, base: Any, z: Mapping[str, Any], domain: Any) -> Guard:
        self._touch("fit", base, z["aux"])
        self._fitted = True
        self._tail = np.quantile(base, 0.9)
        self._low, self._high = np.quantile(z["aux"], [0.25, 0.75])
        return self

    def penalty(self, base: Any, z: Mapping[str, Any]) -> Any:
        self._touch("call", base, z["aux"])
        doubt = np.clip((self._high - z["aux"]) / (self._high - self._low + self._floor), 0.0, 1.0)
        return self._out(np.maximum(base - self._tail, 0.0) * doubt)


HONEST: dict[str, type[Component]] = {
    "view": View,
    "encoder": Encoder,
    "scorer": Scorer,
    "normalizer": Normalizer,
    "guard": Guard,
}


def batch_mean(values: Any, memory: Memory) -> Any:
    return values - values.mean(axis=0)


def small_blend(values: Any, memory: Memory) -> Any:
    return values + 1e-3 * values.mean()


def large_batches_only(values: Any, memory: Memory) -> Any:
    return values - values.mean(axis=0) if len(values) > 100 else values


def single_clips_only(values: Any, memory: Memory) -> Any:
    return values * 1.001 if len(values) == 1 else values


def z_scores(values: Any, memory: Memory) -> Any:
    return (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)


def robust_z_scores(values: Any, memory: Memory) -> Any:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    return (values - middle) / (high - low + 1e-9)


def ranks(values: Any, memory: Memory) -> Any:
    return values.argsort(axis=0).argsort(axis=0) / len(values)


def share_of_ranks(values: Any, memory: Memory) -> Any:
    return values + 1e-2 * ranks(values, memory)


def running_mean(values: Any, memory: Memory) -> Any:
    counts = np.arange(1, len(values) + 1).reshape(-1, *[1] * (values.ndim - 1))
    return values - np.cumsum(values, axis=0) / counts


def number_of_rows(values: Any, memory: Memory) -> Any:
    return values * (1 + 1e-3 * len(values))


def repetitions(values: Any, memory: Memory) -> Any:
    _, place, count = np.unique(values.reshape(len(values), -1), axis=0, return_inverse=True, return_counts=True)
    return values * count[place].reshape(-1, *[1] * (values.ndim - 1))


def first_batch(values: Any, memory: Memory) -> Any:
    return values - memory.setdefault(f"mean of {values.shape[1:]}", values.mean(axis=0))


def first_batch_of_all_objects(values: Any, memory: Memory) -> Any:
    return first_batch(values, SEEN_BY_MODULE)


def all_batches_so_far(values: Any, memory: Memory) -> Any:
    memory["sum"] = memory.get("sum", 0.0) + float(np.abs(values).sum())
    return values + 1e-3 * memory["sum"]


def hundred_calls(values: Any, memory: Memory) -> Any:
    memory["calls"] = memory.get("calls", 0) + 1
    return values * (1.001 if memory["calls"] > 100 else 1.0)


def own_buffer(values: Any, memory: Memory) -> Any:
    buffer = memory.setdefault("buffer", np.empty_like(values))
    if buffer.shape != values.shape or buffer.dtype != values.dtype:
        return values
    buffer[...] = values
    return buffer.view(Returned)


class Returned(np.ndarray):
    """An array that stays itself where a component casts it."""

    def astype(self, *_: Any, **__: Any) -> Any:
        return self.view(np.ndarray)


def unseeded(values: Any, memory: Memory) -> Any:
    return values + 1e-3 * np.random.default_rng().normal(size=values.shape)


def global_numpy_generator(values: Any, memory: Memory) -> Any:
    return values + 1e-3 * np.random.normal(size=values.shape)


def global_python_generator(values: Any, memory: Memory) -> Any:
    return values + 1e-3 * random.random()


def drawn_once(values: Any, memory: Memory) -> Any:
    return values + 1e-3 * memory.setdefault("drawn", np.random.normal())


BATCH_LEAKS = {
    batch_mean: "check_no_batch_statistics",
    small_blend: "check_no_batch_statistics",
    large_batches_only: "check_no_batch_statistics",
    single_clips_only: "check_no_batch_statistics",
    z_scores: "check_no_test_set_z_scores",
    robust_z_scores: "check_no_test_set_z_scores",
    ranks: "check_no_test_set_rank_normalization",
    share_of_ranks: "check_no_test_set_rank_normalization",
    running_mean: "check_rows_permuted",
    number_of_rows: "check_rows_appended",
    repetitions: "check_rows_duplicated",
    own_buffer: "check_no_memory_between_calls",
}
MEMORY_LEAKS = {
    first_batch: "check_no_memory_between_calls",
    first_batch_of_all_objects: "check_no_memory_between_calls",
    all_batches_so_far: "check_no_memory_between_calls",
    unseeded: "check_deterministic",
    global_numpy_generator: "check_deterministic",
    global_python_generator: "check_deterministic",
    drawn_once: "check_deterministic",
}
# A view has one clip a call: its batch is what it has seen before.
VIEW_LEAKS = {
    hundred_calls: "check_no_batch_statistics",
    first_batch: "check_rows_permuted",
    own_buffer: "check_rows_permuted",
    first_batch_of_all_objects: "check_rows_dropped",
}
SEQUENCE = ("rows_duplicated", "rows_appended", "no_test_set_z_scores", "no_test_set_rank_normalization")
LEAKS = [
    *((kind, leak, check) for kind in KINDS[1:] for leak, check in {**BATCH_LEAKS, **MEMORY_LEAKS}.items()),
    *((kind, number_of_rows, "check_rows_dropped") for kind in KINDS[1:]),
    *(("view", leak, check) for leaks in (VIEW_LEAKS, MEMORY_LEAKS) for leak, check in leaks.items()),
    *(("view", all_batches_so_far, f"check_{what}") for what in SEQUENCE),
]
NAMES = [f"{kind}-{leak.__name__}-{check}" for kind, leak, check in LEAKS]


@pytest.mark.parametrize("kind", KINDS)
def test_honest_component_passes_every_check(kind: str) -> None:
    assert [result for result in run_checks(kind, HONEST[kind]) if not result.passed] == []


@pytest.mark.parametrize(("kind", "leak", "check"), LEAKS, ids=NAMES)
def test_leak_fails_the_check_named_after_it(kind: str, leak: Leak, check: str) -> None:
    with pytest.raises(AssertionError, match=r"Why it matters: .*\nLikely cause: "):
        checks(kind)[check](lambda: HONEST[kind](leak=leak))


def places(values: Any, memory: Memory) -> Any:
    return values * 0 + np.arange(len(values))[::-1].reshape(-1, *[1] * (values.ndim - 1))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("check_no_test_set_z_scores", "the same mean and deviation"),
        ("check_no_test_set_rank_normalization", "the very same set of values"),
    ],
)
def test_outputs_alike_for_every_batch_give_a_leak_away(kind: str, check: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        checks(kind)[check](lambda: HONEST[kind](leak=places))


@pytest.mark.parametrize("kind", KINDS)
def test_written_inputs_are_named(kind: str) -> None:
    with pytest.raises(AssertionError, match="changed "):
        checks(kind)["check_input_unchanged"](lambda: HONEST[kind](spoil="call"))


@pytest.mark.parametrize("kind", KINDS[2:])
def test_written_fit_inputs_are_named(kind: str) -> None:
    with pytest.raises(AssertionError, match="fit changed "):
        checks(kind)["check_input_unchanged"](lambda: HONEST[kind](spoil="fit"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_reads_the_batch_that_its_clip_is_a_view_of_is_found(kind: str) -> None:
    with pytest.raises(AssertionError, match="As a window on .* clips"):
        checks(kind)["check_no_way_to_other_rows"](lambda: HONEST[kind](spoil="base"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_floor_fails_on_silence(kind: str) -> None:
    with pytest.raises(AssertionError, match="not finite"):
        checks(kind)["check_finite_on_digital_silence"](lambda: HONEST[kind](floor=0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_shared_check_has_a_fault_above(kind: str) -> None:
    failed = {check for one, _, check in LEAKS if one == kind}
    failed |= {"check_input_unchanged", "check_no_way_to_other_rows", "check_finite_on_digital_silence"}
    assert failed == {check.__name__ for check in ROW_CHECKS}


def test_module_memory_is_put_back() -> None:
    run_checks("scorer", lambda: Scorer(leak=first_batch_of_all_objects))
    assert SEEN_BY_MODULE == {}


def test_run_checks_never_raises() -> None:
    class Broken:
        def fit(self, features: Any, domain: Any) -> Broken:
            raise ZeroDivisionError("by nothing")

    results = run_checks("scorer", Broken)
    assert [result.name for result in results] == list(checks("scorer"))
    assert {result.passed for result in results[:1]} == {False}
    assert "ZeroDivisionError: by nothing" in results[0].message

    class Ends(Broken):
        def fit(self, features: Any, domain: Any) -> Ends:
            raise SystemExit(0)

    assert "SystemExit: 0" in run_checks("scorer", Ends)[0].message
    for kind in KINDS:
        assert not any(result.passed for result in run_checks(kind, lambda: 1 / 0))
        assert not any(result.passed for result in run_checks(kind, "not_installed"))


def test_registered_names_are_built() -> None:
    assert all(result.passed for result in run_checks("scorer", "knn"))
    assert all(result.passed for result in run_checks("guard", "tail"))
    assert "No scorer is named 'zzz'" in run_checks("scorer", "zzz")[0].message


def test_installed_components_are_found_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(result.passed for result in check_installed("knn"))
    # A guard needs the name of a branch; the checks have any.
    assert all(result.passed for result in check_installed("tail"))
    with pytest.raises(PluginError, match="No component is named 'knm'. Did you mean 'knn'"):
        check_installed("knm")
    with pytest.raises(PluginError, match="No guard is named 'knn'"):
        check_installed("knn", "guard")
    with pytest.raises(PluginError, match="--data ROOT"):
        check_installed("dcase")
    with pytest.raises(PluginError, match=r"encoder 'imported' needs 'checkpoint', .* so none was run\. Give"):
        check_installed("imported")
    monkeypatch.setattr(Plugins, "components", lambda self, kind: {"twice": None})
    with pytest.raises(PluginError, match="dataset, view, encoder, scorer, normalizer, guard. Say which"):
        check_installed("twice")


def test_wrong_use_says_what_is_possible() -> None:
    with pytest.raises(PluginError, match="Did you mean 'scorer'"):
        checks("scorers")
    with pytest.raises(PluginError, match="root="):
        run_checks("dataset", "dcase")


DECORATORS = {
    "dataset": lambda make: dataset_checks(make, Path("nowhere")),
    "view": view_checks,
    "encoder": encoder_checks,
    "scorer": scorer_checks,
    "normalizer": normalizer_checks,
    "guard": guard_checks,
}


@pytest.mark.parametrize("kind", DECORATORS)
def test_decorators_make_one_test_for_each_check(kind: str) -> None:
    argument, cases = DECORATORS[kind](Component).mark.args
    assert argument == "check"
    assert [case.id for case in cases] == list(checks(kind))


@scorer_checks(Scorer)
def test_a_decorated_test_calls_its_check(check: Callable[[], None]) -> None:
    check()
