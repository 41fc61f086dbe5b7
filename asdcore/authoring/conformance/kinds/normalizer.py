"""Checks of normalizers. Train scores are those of 99 source and 10 target clips, for all three references."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import ELEMENTWISE, Bench, Rows, join, require
from asdcore.contract.references import POOLED, REFERENCES, SOURCE, TARGET
from asdcore.errors import DataError

N_SOURCE, N_TARGET = 99, 10


def _distances(near: NDArray[np.bool_], rng: np.random.Generator, factor: float = 1.0) -> NDArray[np.float64]:
    """Make (n,) positive scores: small if the clip is of the reference's domain, else larger."""
    small = rng.gamma(9.0, 0.1, size=len(near))
    result: NDArray[np.float64] = factor * np.where(near, small, 1.8 * small + 0.2)
    return result


class NormalizerBench(Bench):
    """Fits and calls a normalizer on scores of all references."""

    rtol = ELEMENTWISE
    call_name = "transform"

    def scores(self, target: NDArray[np.bool_], rng: np.random.Generator, factor: float = 1.0) -> Rows:
        """(n,) whether a clip is of the target domain -> {reference: scores (n,)}, pooled being the nearer domain's."""
        source_scores, target_scores = _distances(~target, rng, factor), 1.3 * _distances(target, rng, factor)
        pooled = np.minimum(source_scores, target_scores)
        return {POOLED: pooled, SOURCE: source_scores, TARGET: target_scores}

    def train(self, seed: int = 0) -> Rows:
        """Scores and domain of 99 source and 10 target clips."""
        rng = np.random.default_rng(100 + seed)
        domain = np.array([TARGET] * N_TARGET + [SOURCE] * N_SOURCE)
        return {**self.scores(domain == TARGET, rng, 1.0 + seed), "domain": domain}

    def rows(self, n: int, seed: int) -> Rows:
        """Scores of n clips, every fourth somewhat anomalous."""
        rng = np.random.default_rng(300 + seed)
        factor = np.where(np.arange(n) % 4 == 2, 1.7, 1.0)
        rows = self.scores(np.arange(n) % 3 == 1, rng)
        return {name: factor * values for name, values in rows.items()}

    def far(self, n: int, seed: int) -> Rows:
        """Scores of n clips a thousand times those of normal clips."""
        return self.scores(np.arange(n) % 2 == 1, np.random.default_rng(400 + seed), 1000.0)

    def silent(self) -> Rows:
        """Scores of clips like one another: three times zero, for every reference."""
        return {name: np.zeros(3) for name in REFERENCES}

    def silent_train(self) -> Rows:
        """Train normals that all have one score, without spread, as a bank of silent clips gives."""
        train = self.train()
        return {name: values if name == "domain" else np.zeros(len(values)) for name, values in train.items()}

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit on scores by reference, and domain."""
        scores = {name: values for name, values in inputs.items() if name != "domain"}
        return component.fit(scores, inputs["domain"])

    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Scores by reference -> z (n,)."""
        return {"z": np.asarray(fitted.transform(inputs))}


def check_z_is_float64_rows(bench: NormalizerBench) -> None:
    """Z is (n_clips,) float64, for one clip and for many."""
    for n in (1, bench.size):
        z = bench.once(bench.rows(n, seed=1))["z"]
        observed = f"z of {n} clips is {z.shape} {z.dtype}, not ({n},) float64."
        why = "z is added up over branches and stored as float64."
        require(
            z.shape == (n,) and z.dtype == np.float64, observed, why, "float32 arithmetic, or one column per reference."
        )


def check_z_is_finite(bench: NormalizerBench) -> None:
    """Z is finite for ordinary scores and for scores far beyond all train normals."""
    z = bench.once(join(bench.rows(50, seed=2), bench.far(10, seed=2)))["z"]
    bad = int(np.sum(~np.isfinite(z)))
    cause = "a quantile function at 0 or 1, or the logarithm of a probability that has run out."
    require(not bad, f"{bad} of {len(z)} z are not finite.", "one z that is not finite spoils the fused score.", cause)


def check_z_is_non_decreasing(bench: NormalizerBench) -> None:
    """Z never falls when scores rise, in one reference or in all of them, and rises over their whole range."""
    grid = np.concatenate([np.linspace(0.0, 6.0, 150), np.geomspace(7.0, 1000.0, 50)])
    with bench.session() as run:
        for moved in (REFERENCES, (POOLED,), (SOURCE,), (TARGET,)):
            for held in (0.3, 0.9, 2.5):
                scores = {name: grid if name in moved else np.full(len(grid), held) for name in REFERENCES}
                z = run(bench.inputs(scores))["z"]
                falls = float(-np.diff(z).min())
                observed = f"While {' and '.join(moved)} scores rise, z falls by {falls:g}."
                why = "a clip that sounds more anomalous must not come out as more normal."
                cause = "the sign is turned, or the parts of a piecewise map do not meet."
                require(falls <= 1e-12 * float(np.abs(z).max()), observed, why, cause)
                if moved == REFERENCES:
                    observed = f"z is {z[0]:g} for the smallest scores and {z[-1]:g} for the largest."
                    require(bool(z[-1] > z[0]), observed, "a z that does not rise says nothing.", "z is constant.")


def check_few_target_clips(bench: NormalizerBench) -> None:
    """With 10 target clips among the train normals, z is finite for clips of either domain."""
    z = bench.once(bench.scores(np.arange(40) % 2 == 1, np.random.default_rng(5)))["z"]
    bad = int(np.sum(~np.isfinite(z)))
    observed = f"With {N_TARGET} target clips to learn from, {bad} of {len(z)} z are not finite."
    require(
        not bad, observed, "first-shot data has ten target clips.", "a fit that needs more clips, or a tail of none."
    )


def check_no_target_clips(bench: NormalizerBench) -> None:
    """Without target train normals (and so without target scores), z is finite, or fit refuses with a DataError."""
    train = {name: values[N_TARGET:] for name, values in bench.train().items() if name != TARGET}
    rows = {name: values for name, values in bench.rows(50, seed=6).items() if name != TARGET}
    try:
        z = bench.once(rows, train)["z"]
    except DataError:
        return
    bad = int(np.sum(~np.isfinite(z)))
    observed = f"Without target clips, {bad} of {len(z)} z are not finite."
    require(
        not bad, observed, "some tasks have no target domain.", "the median of no clips; look at which domains exist."
    )


CHECKS = (
    check_z_is_float64_rows,
    check_z_is_finite,
    check_z_is_non_decreasing,
    check_few_target_clips,
    check_no_target_clips,
)
