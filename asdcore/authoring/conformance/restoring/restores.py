"""Checks of the optional ``state`` and ``restore`` of scorers, normalizers and guards. A component without both passes.

What was fitted is carried to other processes and machines as its state alone. So a component that restores it must give
the very bits of the one that was fitted, knowing nothing but the state and its own parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Bench, Rows, require
from asdcore.authoring.conformance.bench.outside_state import statics_restored
from asdcore.authoring.conformance.bench.same_bits import bits_apart
from asdcore.authoring.conformance.restoring.new_process import ask, begin, recipe
from asdcore.authoring.conformance.restoring.ways_to_fit import Way, answers, ways
from asdcore.errors import PluginError
from asdcore.store.fitted_state import pack, unpack

METHODS = ("state", "restore")
WHY_BITS = "a detector, and an inference from a frozen run, have the state alone and promise the same bytes."
WHY_ALONE = "the state is all that travels to another process or machine."
WHY_WHOLE = "what is missing from a state must be noticed when it is restored, and what nobody needs stays out of it."
CAUSE_ELSEWHERE = "something that fit learned lies elsewhere: in a class, in a module, or in a file."
CAUSE_FILE = "a file gives Python numbers, lists and read-only arrays; restore counts on others."
CAUSE_BITS = "a part is rounded (float32), or missing from the state: a bank, a mask, a counter."


@dataclass(frozen=True)
class Fitted:
    """A fitted component, the arrays it was fitted on, its state, and what it says of some clips."""

    way: Way
    component: Any
    inputs: Any
    state: Any
    rows: Rows
    outputs: dict[str, Rows]


def check_state_comes_with_restore(bench: Bench) -> None:
    """Whoever has one of state and restore has the other; state refuses before fit, restore returns the component."""
    component = bench.build()
    has = [name for name in METHODS if hasattr(component, name)]
    observed = f"of state and restore this component has {' and '.join(has)} alone."
    require(len(has) != 1, observed, "a state that nobody restores is of no use.", "a misspelt name.")
    if has:
        cause = "defaults stand in for what fit should set; raise a DataError."
        observed = "state before fit raised nothing."
        require(_refuses(component.state), observed, "it would be kept as what was fitted.", cause)
    for fitted in _fitted(bench):
        try:
            restored = bench.build().restore(fitted.state)
        except Exception:  # check_restores_exactly tells what it raised
            return
        observed = f"restore returned {type(restored).__name__}, not the restored {type(component).__name__}."
        why, cause = "the framework goes on with what restore returns.", "restore ends without 'return self'."
        require(hasattr(restored, fitted.way.method), observed, why, cause)


def check_state_holds_what_can_be_kept(bench: Bench) -> None:
    """A state is a mapping with text as keys, and with values that a file can hold without loss."""
    for fitted in _fitted(bench):
        observed = f"state returned a {type(fitted.state).__name__}, not a mapping."
        require(
            isinstance(fitted.state, Mapping), observed, "it is kept by its keys.", "an array or a tuple was returned."
        )
        _packed(fitted.state)


def check_restores_exactly(bench: Bench) -> None:
    """A new component that restores a state, as it is and from its file, gives the bits of the one that was fitted."""
    for fitted in _fitted(bench):
        whole = ("its state", fitted.state, CAUSE_ELSEWHERE)
        for how, state, cause in (whole, ("the file of its state", _from_file(fitted.state), CAUSE_FILE)):
            try:
                outputs = answers(fitted.way, bench.build().restore(state), fitted.rows)
            except Exception as error:
                observed = f"{fitted.way.prefix}Restored from {how}, it raised {type(error).__name__}: {error}."
                require(False, observed, WHY_ALONE, cause)
            _require_bits(fitted, outputs, f"Restored from {how}", CAUSE_BITS)


def check_restores_in_a_new_process(bench: Bench) -> None:
    """A process that has not seen the component fitted restores it from the file of its state, to the same bits."""
    build = recipe(bench) if _has_both(bench) else None
    if build is None:
        return
    with TemporaryDirectory(prefix="asdcore-restore-") as name:
        folder = Path(name)
        variables = begin(folder)
        # Train normals of their own: what another check has left somewhere is not what these teach.
        fitted = {each.way.name: _as_restored(bench, each) for each in _fitted(bench, seed=2)}
        states = {way: _packed(each.state) for way, each in fitted.items()}
        answer = ask(folder, variables, build, states, {way: each.rows for way, each in fitted.items()})
    require(not answer.error, f"In a new process there came {answer.error}.", WHY_ALONE, CAUSE_ELSEWHERE)
    observed = f"In a new process it opened {', '.join(answer.opened)}, written while the component was fitted."
    require(not answer.opened, observed, WHY_ALONE, "fit keeps on disk what belongs into the state.")
    for way, each in fitted.items():
        _require_bits(each, answer.outputs[way], "Restored in a new process", CAUSE_ELSEWHERE)


def check_state_stays_as_it_was(bench: Bench) -> None:
    """Later scoring, changes to the arrays given to fit, and another fit leave a state that was taken as it is."""
    for fitted in _fitted(bench):
        way, before = fitted.way, _packed(fitted.state)
        way.call(fitted.component, way.rows())
        bench.also(fitted.component)
        _require_kept(
            before, fitted.component.state(), "After it scored clips, state returns", "a memory of scored clips."
        )
        _require_kept(
            before, fitted.state, "After the component scored clips, the state has", "a memory of scored clips."
        )
        for array in _arrays(fitted.inputs):
            array[...] = array[::-1].copy()
        cause = "the state has the arrays that fit was given; copy them."
        _require_kept(before, fitted.state, "After the arrays given to fit changed, the state has", cause)
        way.fit(fitted.component, way.inputs(way.train(seed=1)))
        cause = "the state has the component's own arrays, which fit fills anew; copy them."
        _require_kept(before, fitted.state, "After another fit, the state has", cause)


def check_restore_forgets(bench: Bench) -> None:
    """Restored after another fit, or after another state, the component is as if it had been restored that once."""
    for fitted in (_as_restored(bench, each) for each in _fitted(bench)):
        way, cause = fitted.way, "restore adds to what was there, or keeps a cache."
        other = way.fit(bench.build(), way.inputs(way.train(seed=1)))
        way.call(other, way.rows())
        other_state = other.state()
        _require_same(fitted, other.restore(fitted.state), "Restored after a fit to other train normals", cause)
        twice = bench.build().restore(other_state)
        way.call(twice, way.rows())
        _require_same(fitted, twice.restore(fitted.state), "Restored after another state", cause)


def check_every_key_of_a_state_is_needed(bench: Bench) -> None:
    """Restore refuses a state that lacks a key, so that half a state does not pass for a whole one."""
    for fitted in _fitted(bench):
        for key in fitted.state:
            less = {name: value for name, value in fitted.state.items() if name != key}
            try:
                restored = bench.build().restore(less)
            except Exception:
                continue
            observed, cause = _without(fitted, restored, key)
            require(False, observed, WHY_WHOLE, cause)


def _without(fitted: Fitted, restored: Any, key: str) -> tuple[str, str]:
    """Say what comes of a state that lacks a key and was not refused, and the likely cause."""
    observed = f"{fitted.way.prefix}restore took a state without {key!r}"
    try:
        outputs_now = answers(fitted.way, restored, fitted.rows)
    except Exception as error:
        return (
            f"{observed}; {fitted.way.method} then raised {type(error).__name__}: {error}.",
            "restore sets whatever there is.",
        )
    gaps = [gap for batch, outputs in fitted.outputs.items() if (gap := bits_apart(outputs, outputs_now[batch]))]
    if gaps:
        return f"{observed}, and {gaps[0]}.", "a default stands in for what is missing; raise a DataError."
    return (
        f"{observed}, and the bits are the same.",
        f"{key!r} is not needed to score clips; leave it out of the state.",
    )


CHECKS = (
    check_state_comes_with_restore,
    check_state_holds_what_can_be_kept,
    check_restores_exactly,
    check_restores_in_a_new_process,
    check_state_stays_as_it_was,
    check_restore_forgets,
    check_every_key_of_a_state_is_needed,
)


def _fitted(bench: Bench, seed: int = 0) -> Iterator[Fitted]:
    """Yield a newly fitted component for each way, if it has both methods; what it left outside itself is put back."""
    if not _has_both(bench):
        return
    for way in ways(bench):
        component, inputs, rows = bench.build(), way.inputs(way.train(seed)), way.rows(seed)
        with statics_restored(component):
            fitted = way.fit(component, inputs)
            state = fitted.state()
            outputs = answers(way, fitted, rows)
        yield Fitted(way, fitted, inputs, state, rows, outputs)


def _as_restored(bench: Bench, fitted: Fitted) -> Fitted:
    """Exchange what a component said for what a new one says that is restored here, so that faults do not mix."""
    try:
        return replace(
            fitted, outputs=answers(fitted.way, bench.build().restore(_from_file(fitted.state)), fitted.rows)
        )
    except Exception:  # check_restores_exactly has it
        return fitted


def _has_both(bench: Bench) -> bool:
    component = bench.build()
    return all(hasattr(component, name) for name in METHODS)


def _refuses(method: Any) -> bool:
    try:
        method()
    except Exception:
        return True
    return False


def _packed(state: Any) -> bytes:
    """Return the file of a state, or fail with the key of what it cannot hold."""
    try:
        return pack(state, {})
    except PluginError as error:
        why, cause = (
            "a state is kept in a file, to the last bit and without pickle.",
            "an object that fit made is in the state.",
        )
        require(False, str(error), why, cause)
        raise


def _from_file(state: Any) -> dict[str, Any]:
    return unpack(_packed(state), "the state").state


def _require_same(fitted: Fitted, restored: Any, when: str, cause: str) -> None:
    _require_bits(fitted, answers(fitted.way, restored, fitted.rows), when, cause)


def _require_bits(fitted: Fitted, outputs_now: Mapping[str, Rows], when: str, cause: str) -> None:
    for batch, outputs in fitted.outputs.items():
        gap = bits_apart(outputs, outputs_now[batch])
        require(not gap, f"{fitted.way.prefix}{when}, {batch}: {gap}.", WHY_BITS, cause)


def _require_kept(before: bytes, state: Any, when: str, cause: str) -> None:
    """Require a state to be what it was, or name the keys that differ."""
    if _packed(state) == before:
        return
    old = unpack(before, "the state").state
    keys = [key for key in dict.fromkeys([*old, *state]) if _one(old, key) != _one(state, key)]
    why = "a state is taken once and used later; it must not follow the component."
    require(False, f"{when} another {', '.join(map(repr, keys))}.", why, cause)


def _one(state: Mapping[str, Any], key: str) -> bytes:
    return pack({key: state[key]} if key in state else {}, {})


def _arrays(inputs: Any) -> Iterator[Any]:
    """Yield the numbers that fit was given, for whoever wants to change them."""
    for value in inputs.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield value
        elif isinstance(value, Mapping) and hasattr(value, "asked"):
            yield from value.asked.values()
