"""Checks of scorers. The train normals are 99 source and 10 target clips, as first-shot data has them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Bench, Rows, difference, join, require, take
from asdcore.contract.references import REFERENCES
from asdcore.errors import DataError

# Not in alphabetical order: a component that sorts the domains in place must be found out.
TRAIN = (("target", 10), ("source", 99))
TIME, BANDS, DIM = 5, 4, 12
WIDTH = BANDS * DIM
LATENT = 8


def _normals(domain: str, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make (n, WIDTH) features of one domain: a centre, a few directions of variation, a little noise."""
    fixed = np.random.default_rng(7)
    centre, shift = fixed.normal(size=WIDTH), 0.7 * fixed.normal(size=WIDTH)
    mix = 0.3 * fixed.normal(size=(LATENT, WIDTH))
    middle = centre if domain == "source" else centre + shift
    features = middle + rng.normal(size=(n, LATENT)) @ mix + 0.1 * rng.normal(size=(n, WIDTH))
    return features.astype(np.float32)


class ScorerBench(Bench):
    """Fits and calls a scorer on pooled features, or on frames if it refuses pooled ones with a DataError."""

    call_name = "score"

    @functools.cached_property
    def frames(self) -> bool:
        """Whether this scorer reads (n_clips, time, band, dim)."""
        rng = np.random.default_rng(0)
        features = np.concatenate([_normals(domain, n, rng) for domain, n in TRAIN])
        try:
            self.build().fit(features, _domains())
        except DataError:
            return True
        return False

    def shaped(self, features: NDArray[np.float32], rng: np.random.Generator) -> Rows:
        """(n, WIDTH) -> features as the scorer reads them."""
        if not self.frames:
            return {"features": features}
        bands = features.reshape(len(features), 1, BANDS, DIM)
        wobble = 0.05 * rng.normal(size=(len(features), TIME, BANDS, DIM))
        return {"features": (bands + wobble * (np.abs(bands).max() > 0)).astype(np.float32)}

    def train(self, seed: int = 0) -> Rows:
        """Features and domain of 99 source and 10 target clips."""
        rng = np.random.default_rng(100 + seed)
        features = np.concatenate([_normals(domain, n, rng) for domain, n in TRAIN])
        return {**self.shaped(features, rng), "domain": _domains()}

    def normals(self, domain: str, n: int, seed: int) -> Rows:
        """Make n normal test clips of one domain."""
        rng = np.random.default_rng(200 + seed)
        return self.shaped(_normals(domain, n, rng), rng)

    def rows(self, n: int, seed: int) -> Rows:
        """Features of n clips: mostly source, some target, every fifth a little off."""
        rng = np.random.default_rng(300 + seed)
        place = np.arange(n)[:, None]
        features = np.where(place % 5 == 1, _normals("target", n, rng), _normals("source", n, rng))
        features += np.where(place % 5 == 3, 1.5 * rng.normal(size=(n, WIDTH)), 0.0)
        return self.shaped(features.astype(np.float32), rng)

    def far(self, n: int, seed: int) -> Rows:
        """Features of n clips far from all normals, each in a direction of its own."""
        rng = np.random.default_rng(400 + seed)
        return self.shaped((30.0 * rng.normal(size=(n, WIDTH)) + 10.0).astype(np.float32), rng)

    def silent(self) -> Rows:
        """Features of three clips of which two are all zeros."""
        rows = self.rows(3, seed=1)
        rows["features"][:2] = 0.0
        return rows

    def silent_train(self) -> Rows:
        """Train normals of which four are the same: all zeros."""
        train = self.train()
        train["features"][[0, 1, 50, -1]] = 0.0
        return train

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit on features and domain."""
        return component.fit(inputs["features"], inputs["domain"])

    def also(self, fitted: Any) -> None:
        """Score the train normals left out, if the scorer can."""
        if hasattr(fitted, "score_left_out"):
            fitted.score_left_out()

    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Features -> {reference: score (n_clips,)}."""
        return {name: np.asarray(values) for name, values in fitted.score(inputs["features"]).items()}


def _domains() -> NDArray[np.str_]:
    return np.concatenate([np.full(n, domain) for domain, n in TRAIN])


def check_references(bench: ScorerBench) -> None:
    """Scores come under pooled, source or target, the same ones for one clip as for many."""
    many, single = bench.once(bench.rows(bench.size, seed=1)), bench.once(bench.rows(1, seed=1))
    allowed = bool(many) and set(many) <= set(REFERENCES)
    observed = f"score returned the references {sorted(many)} for {bench.size} clips and {sorted(single)} for one."
    why = f"calibration is matched by reference; the references are {', '.join(REFERENCES)}."
    require(allowed and set(single) == set(many), observed, why, "another key, or a bare array instead of a mapping.")


def check_scores_are_float64_rows(bench: ScorerBench) -> None:
    """Every reference gives (n_clips,) float64, for one clip and for many."""
    for n in (1, bench.size):
        with bench.session() as run:
            for name, values in run(bench.inputs(bench.rows(n, seed=2))).items():
                good = values.shape == (n,) and values.dtype == np.float64
                observed = f"{name} scores of {n} clips are {values.shape} {values.dtype}, not ({n},) float64."
                why = "ties and tiny differences decide rankings, and tables hold float64."
                require(good, observed, why, "a float32 result, or an axis too many (squeeze, keepdims).")


def check_scores_are_finite(bench: ScorerBench) -> None:
    """Ordinary and extreme clips get finite scores."""
    scores = bench.once(join(bench.rows(50, seed=3), bench.far(10, seed=3)))
    for name, values in scores.items():
        bad = int(np.sum(~np.isfinite(values)))
        why = "calibration and submissions need finite scores."
        require(
            not bad, f"{bad} of {len(values)} {name} scores are not finite.", why, "an overflow or a singular matrix."
        )


def check_outlier_outranks_normals(bench: ScorerBench) -> None:
    """Clips far from all train normals score above the median of normal test clips: larger is more anomalous."""
    outliers = bench.once(bench.far(20, seed=4))
    for name, values in outliers.items():
        normals = bench.once(bench.normals("target" if name == "target" else "source", 50, seed=4))[name]
        low = int(np.sum(values <= np.median(normals)))
        observed = f"Against {name}, {low} of {len(values)} far outliers score no higher than the median normal clip."
        why = "an anomaly score is larger for a more anomalous clip, everywhere."
        require(not low, observed, why, "the sign is turned: a likelihood or a similarity was returned as it is.")


def check_train_order_is_irrelevant(bench: ScorerBench) -> None:
    """Fitted on the same train normals in another order, the scores of test clips stay."""
    train, rows = bench.train(), bench.rows(bench.size, seed=5)
    order = np.random.default_rng(5).permutation(len(train["domain"]))
    gap = difference(bench.once(rows), bench.once(rows, take(train, order)), 1e-6)
    why = "the order of files is an accident of the file system."
    require(
        not gap, f"With the train normals in another order, {gap}.", why, "a fold, seed or start that goes by position."
    )


CHECKS = (
    check_references,
    check_scores_are_float64_rows,
    check_scores_are_finite,
    check_outlier_outranks_normals,
    check_train_order_is_irrelevant,
)
