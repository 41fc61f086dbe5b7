"""Checks of guards.

The kit cannot know which branches a guard asks for, so its ``z`` answers every name: the z of a branch is a fixed sum,
by the branch's name, of four hidden values that belong to the clip and travel with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import ELEMENTWISE, Bench, Rows, join, require

Floats = NDArray[np.float64]

N_SOURCE, N_TARGET = 99, 10
HIDDEN = 4
NAMED = ("near_knn", "far_knn", "near_mahalanobis")


class AnyBranch(Mapping[str, Floats]):
    """{branch: z (n_clips,)} that has every branch; iterates over three, and remembers what it was asked for."""

    def __init__(self, hidden: Floats) -> None:
        self._hidden = hidden
        self.asked: dict[str, Floats] = {}

    def __getitem__(self, branch: str) -> Floats:
        if branch not in self.asked:
            digest = hashlib.sha256(branch.encode()).digest()
            weights = [(digest[place] - 100.0) / 128.0 for place in range(HIDDEN)]
            # Summed clip by clip in a fixed order, so that a clip's z is the same bits in every batch.
            self.asked[branch] = sum(
                (w * self._hidden[:, i] for i, w in enumerate(weights)), np.zeros(len(self._hidden))
            )
        return self.asked[branch]

    def __contains__(self, branch: object) -> bool:
        return isinstance(branch, str)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMED)

    def __len__(self) -> int:
        return len(NAMED)


class GuardBench(Bench):
    """Fits and calls a guard on base scores and the z of any branch."""

    rtol = ELEMENTWISE
    call_name = "penalty"

    def train(self, seed: int = 0) -> Rows:
        """base, hidden and domain of 99 source and 10 target clips."""
        rng = np.random.default_rng(100 + seed)
        base = rng.normal(size=N_SOURCE + N_TARGET) * (1.0 + seed) + seed
        return {**_clips(base, rng), "domain": np.array(["target"] * N_TARGET + ["source"] * N_SOURCE)}

    def rows(self, n: int, seed: int) -> Rows:
        """Base and hidden of n clips, a third of them in the tail of the train normals, supported or not."""
        rng = np.random.default_rng(300 + seed)
        tail = np.arange(n) % 3 == 1
        return _clips(np.where(tail, rng.uniform(1.5, 6.0, size=n), rng.normal(size=n)), rng)

    def far(self, n: int, seed: int) -> Rows:
        """Base and hidden of n clips far out in the tail."""
        rng = np.random.default_rng(400 + seed)
        clips = _clips(rng.uniform(50.0, 100.0, size=n), rng)
        clips["hidden"] *= 30.0
        return clips

    def silent(self) -> Rows:
        """Base and hidden of three clips, all zeros."""
        return {"base": np.zeros(3), "hidden": np.zeros((3, HIDDEN))}

    def silent_train(self) -> Rows:
        """Train normals that all have one base score and one z, without spread, as a bank of silent clips gives."""
        train = self.train()
        return {**train, "base": np.zeros_like(train["base"]), "hidden": np.zeros_like(train["hidden"])}

    def inputs(self, rows: Rows) -> Any:
        """Rows -> base, z by branch, and domain if there is one."""
        given: dict[str, Any] = {name: array.copy() for name, array in rows.items() if name != "hidden"}
        return {**given, "z": AnyBranch(rows["hidden"].copy())}

    def window(self, rows: Rows, place: int) -> Any:
        """Base and hidden -> base as a view of the batch, and z by branch."""
        hidden = rows["hidden"].copy()[place : place + 1]
        return {"base": rows["base"].copy()[place : place + 1], "z": AnyBranch(hidden)}

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit on base, z and domain."""
        return component.fit(inputs["base"], inputs["z"], inputs["domain"])

    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Base and z -> penalty (n,)."""
        return {"penalty": np.asarray(fitted.penalty(inputs["base"], inputs["z"]))}

    def low(self) -> Rows:
        """Make 300 clips with a base at or below the train-normal median, the median itself included, with any z."""
        base, rng = self.train()["base"], np.random.default_rng(6)
        median = float(np.median(base))
        clips = _clips(median - np.abs(rng.normal(size=300)), rng)
        clips["base"][:12] = median
        clips["base"][12:24] = median - 50.0
        clips["hidden"] *= 5.0
        return clips


def _clips(base: Floats, rng: np.random.Generator) -> Rows:
    hidden = rng.normal(size=(len(base), HIDDEN))
    # The z of a branch goes with the base score for most clips, as branches of one portfolio do.
    hidden[:, 0] += base * (np.arange(len(base)) % 2)
    return {"base": base, "hidden": hidden}


def check_penalty_is_float64_rows(bench: GuardBench) -> None:
    """R is (n_clips,) float64, for one clip and for many."""
    for n in (1, bench.size):
        penalty = bench.once(bench.rows(n, seed=1))["penalty"]
        good = penalty.shape == (n,) and penalty.dtype == np.float64
        observed = f"R of {n} clips is {penalty.shape} {penalty.dtype}, not ({n},) float64."
        require(good, observed, "R is subtracted from the base score, clip by clip.", "a bool or float32 result.")


def check_penalty_is_finite_and_not_negative(bench: GuardBench) -> None:
    """R is finite and >= 0, for ordinary clips and far out in the tail."""
    penalty = bench.once(join(bench.rows(100, seed=2), bench.far(20, seed=2)))["penalty"]
    bad = int(np.sum(~(np.isfinite(penalty) & (penalty >= 0))))
    observed = f"{bad} of {len(penalty)} R are negative or not finite; the smallest is {np.min(penalty):g}."
    why = "a guard takes doubtful evidence back; it never adds any."
    require(not bad, observed, why, "a difference that is not clipped at zero.")


def check_penalty_is_zero_below_the_tail(bench: GuardBench) -> None:
    """R is exactly 0 for clips whose base score is at or below the train-normal median."""
    low = bench.low()
    penalty = bench.once(low)["penalty"]
    hit = np.flatnonzero(penalty != 0)
    where = f"; the first has base {low['base'][hit[0]]:g} and R {penalty[hit[0]]:g}" if len(hit) else ""
    observed = f"{len(hit)} of {len(penalty)} clips at or below the train-normal median have R != 0{where}."
    why = "below its tail a guard must leave every score as it is, to the bit."
    require(
        not len(hit),
        observed,
        why,
        "a smooth gate that never reaches zero, or a tail not taken from the train normals.",
    )


def check_ranking_below_the_tail_is_kept(bench: GuardBench) -> None:
    """Base minus R ranks the clips below the tail as base does, whatever clips of the tail are scored with them."""
    low, tail = bench.low(), bench.far(100, seed=3)
    clips = join(low, tail)
    score = clips["base"] - bench.once(clips)["penalty"]
    n = len(low["base"])
    moved = int(np.sum(np.argsort(score[:n], kind="stable") != np.argsort(low["base"], kind="stable")))
    observed = f"Scored beside 100 clips of the tail, {moved} of {n} clips below it changed their rank."
    why = "a guard may only reorder clips whose high score is in doubt."
    require(not moved, observed, why, "R is not zero below the tail, or the tail is found in the batch.")


CHECKS = (
    check_penalty_is_float64_rows,
    check_penalty_is_finite_and_not_negative,
    check_penalty_is_zero_below_the_tail,
    check_ranking_below_the_tail_is_kept,
)
