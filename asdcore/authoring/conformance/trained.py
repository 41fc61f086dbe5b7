"""Checks of encoders that are trained: the clips that ``fit`` is given, and nothing else, make what is learnt.

An encoder without ``fit`` passes. The train normals are 16 hums of 1 s: two machines with two attributes each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Rows, require, stirred
from asdcore.authoring.conformance.bench.outside_state import statics_restored
from asdcore.authoring.conformance.kinds.encoder import EncoderBench
from asdcore.contract.train_clips import ListedClips
from asdcore.contract.training import SCOPES
from asdcore.store.fitted_state import pack, unpack

WHY_ALONE = (
    "what an encoder learns may rest on the train normals it is given alone: a network that has heard test clips, or "
    "knows their domain, promises what no new clip keeps."
)
WHY_SAME = "what was trained is kept under the name of its recipe: the same recipe must give the same bits."
ALLOWED = frozenset(("machine", "section", "domain", "attributes", "sample_rate", "n_samples", "audio"))


def check_scope(bench: EncoderBench) -> None:
    """Scope is "all" or "machine"."""
    if not bench.trainable:
        return
    scope = getattr(bench.build(), "scope", None)
    why = "a run trains one network for all machines, or one for each, as scope says."
    require(scope in SCOPES, f"scope is {scope!r}; {' or '.join(SCOPES)} is allowed.", why, "a missing attribute.")


def check_training_returns_self(bench: EncoderBench) -> None:
    """Fit returns the trained encoder."""
    if bench.trainable:
        component = bench.build()
        with statics_restored(component):
            fitted = bench.fit(component, bench.inputs(bench.train()))
        observed = f"fit returned {type(fitted).__name__}, not the trained {type(component).__name__}."
        why = "the framework goes on with what fit returns."
        require(type(fitted) is type(component), observed, why, "fit ends without 'return self'.")


def check_trained_twice_gives_the_same_bits(bench: EncoderBench) -> None:
    """The same clips and seed give the same state, whatever the global random generators are at."""
    if bench.trainable:
        with stirred(1):
            first = _learnt(bench, bench.train())
        with stirred(2):
            second = _learnt(bench, bench.train())
        cause = "random numbers without a seed of their own, or a sum over threads; derive all from fit's seed."
        _require_same(first, second, "Trained twice on the same clips with the same seed, it", WHY_SAME, cause)


def check_training_forgets(bench: EncoderBench) -> None:
    """Trained on other clips before, an encoder learns what a new one learns."""
    if not bench.trainable:
        return
    once = _learnt(bench, bench.train())
    component = bench.build()
    with statics_restored(component):
        bench.fit(component, bench.inputs(bench.train(seed=1)))
        again = bench.fit(component, bench.inputs(bench.train())).state()
        other = bench.fit(bench.build(), bench.inputs(bench.train())).state()
    cause = "fit goes on from the weights, the generator or the optimizer of an earlier fit; begin anew."
    _require_same(once, pack(again, {}), "After a fit to other clips, the same encoder", WHY_SAME, cause)
    cause = "something that fit learnt lies outside the encoder: in its class, or in a module."
    _require_same(once, pack(other, {}), "After another encoder was trained on other clips, a new one", WHY_SAME, cause)


def check_unseen_clips_change_nothing(bench: EncoderBench) -> None:
    """Train clips that are windows on a larger array teach the same, whatever lies beside them."""
    if not bench.trainable:
        return
    train, unseen = bench.train(), bench.sounds(8, bench.sample_rate, seed=900)
    first, second = (
        _learnt(bench, train | {"audio": np.concatenate([beside[:4], train["audio"], beside[4:]])[4:-4]}, copied=False)
        for beside in (unseen, np.zeros_like(unseen))
    )
    cause = "the training reads the array that audio is a view of, through .base or its memory."
    _require_same(first, second, "After clips changed that it was not given, it", WHY_ALONE, cause)


def check_asks_for_train_clips_alone(bench: EncoderBench) -> None:
    """Fit asks its clips for audio and labels, and for no path, test clip or anything else that a run does not give."""
    if not bench.trainable:
        return
    asked: list[str] = []
    component = bench.build()
    with statics_restored(component), _watched(bench, asked):
        try:
            bench.fit(component, bench.inputs(bench.train()))
        except Exception:
            if not asked:
                raise
    observed = f"fit asked its clips for {', '.join(dict.fromkeys(asked))}."
    cause = f"a run's clips have {', '.join(sorted(ALLOWED))} and a length, and nothing else; leave it out."
    require(not asked, observed, WHY_ALONE, cause)


def check_learns_without_attributes(bench: EncoderBench) -> None:
    """Clips without attributes, or of one machine if scope says so, are accepted or refused with a DataError."""
    if not bench.trainable:
        return
    train = bench.train()
    bare = train | {"attributes": np.full(len(train["machine"]), "")}
    chosen = [bare] if getattr(bench.build(), "scope", "") == "all" else [_of_machine(train, "fan")]
    for rows in chosen:
        try:
            _learnt(bench, rows)
        except Exception as error:
            observed = f"Without attributes, or for one machine alone, fit raised {type(error).__name__}: {error}"
            why = "some machines have no attributes, and scope = 'machine' trains on one machine at a time."
            require(type(error).__name__ == "DataError", observed, why, "a label that is missing is not foreseen.")


def check_resumes_to_the_same_bits(bench: EncoderBench) -> None:
    """Stopped after any epoch and trained on from what it kept then, an encoder learns the same to the last bit."""
    if not bench.trainable or "training" not in _parameters(bench):
        return
    whole = _Recorder()
    end = _learnt(bench, bench.train(), training=whole)
    epochs = len(whole.kept)
    observed = f"fit kept {epochs} epochs of {whole.epochs}."
    cause = "training.keep(epoch, epochs, state, loss) is not called after every epoch."
    require(0 < epochs == whole.epochs, observed, "a killed training goes on from the last epoch that it kept.", cause)
    for epoch in sorted({1, epochs // 2, epochs - 1} - {0}):
        with stirred(epoch):
            resumed = _learnt(bench, bench.train(), training=_Recorder(resumed=(epoch, whole.kept[epoch - 1])))
        cause = "moments of the optimizer, the state of a generator, a schedule or an average are not kept."
        when = f"Stopped after epoch {epoch} of {epochs} and trained on, it"
        _require_same(end, resumed, when, WHY_SAME, cause)


CHECKS = (
    check_scope,
    check_training_returns_self,
    check_trained_twice_gives_the_same_bits,
    check_training_forgets,
    check_unseen_clips_change_nothing,
    check_asks_for_train_clips_alone,
    check_learns_without_attributes,
    check_resumes_to_the_same_bits,
)


@dataclass
class _Recorder:
    """A training that keeps its epochs in memory, as files would."""

    resumed: tuple[int, bytes] | None = None
    device: str | None = None
    kept: list[bytes] = field(default_factory=list)
    epochs: int = 0

    def resume(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return what was kept."""
        return (self.resumed[0], unpack(self.resumed[1], "an epoch").state) if self.resumed else None

    def keep(self, epoch: int, epochs: int, state: Mapping[str, Any], loss: float) -> None:
        """Keep an epoch."""
        self.epochs = epochs
        self.kept.append(pack(state, {}))

    def step(self, done: int, of: int, loss: float) -> None:
        """Show nothing."""

    def cost(self, steps: int, seconds_per_step: float) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


@contextmanager
def _watched(bench: EncoderBench, asked: list[str]) -> Iterator[None]:
    """Let the kit's train clips note what they are asked for that a run's clips do not have."""

    class Watched(ListedClips):
        def __getattribute__(self, name: str) -> Any:
            if name not in ALLOWED and not (name.startswith("__") and name.endswith("__")) and name != "_sound":
                asked.append(name)
            return super().__getattribute__(name)

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"train clips have no {name!r}")

    given = bench.clips

    def watched(inputs: Any) -> ListedClips:
        clips = given(inputs)
        labels = (clips.machine, clips.section, clips.domain, clips.attributes)
        return Watched(*labels, clips.sample_rate, clips.n_samples, tuple(clips.audio(i) for i in range(len(clips))))

    bench.clips = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        del bench.clips


def _learnt(bench: EncoderBench, train: Rows, *, copied: bool = True, training: Any = None) -> bytes:
    """Train a new encoder; returns the file of its state."""
    component = bench.build()
    with statics_restored(component):
        fitted = bench.fit(component, bench.inputs(train) if copied else train, training=training)
        return pack(fitted.state(), {})


def _of_machine(train: Rows, machine: str) -> Rows:
    own = train["machine"] == machine
    return {name: values[own] for name, values in train.items()}


def _parameters(bench: EncoderBench) -> Mapping[str, Any]:
    return signature(bench.build().fit).parameters


def _require_same(first: bytes, second: bytes, when: str, why: str, cause: str) -> None:
    """Require two states to be the same, or name the keys that differ."""
    if first == second:
        return
    states = [unpack(content, "the state").state for content in (first, second)]
    keys = [key for key in dict.fromkeys([*states[0], *states[1]]) if _part(states[0], key) != _part(states[1], key)]
    require(False, f"{when} learns another {', '.join(map(repr, keys))}.", why, cause)


def _part(state: Mapping[str, Any], key: str) -> bytes:
    return pack({key: state[key]} if key in state else {}, {})
