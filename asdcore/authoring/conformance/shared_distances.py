"""Checks of a scorer's optional ``metric``, ``fit_distances`` and ``score_distances``. A scorer without them passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Rows, difference, require
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.contract.references import METRICS

PARTS = ("metric", "fit_distances", "score_distances")


def check_distances_come_whole(bench: ScorerBench) -> None:
    """Whoever takes distances says of which metric, is fitted on them and scores them."""
    scorer = bench.build()
    takes = [name for name in PARTS if hasattr(scorer, name)]
    whole = takes in ([], ["metric"], list(PARTS))
    observed = f"of {', '.join(PARTS)} this scorer has {', '.join(takes)}."
    require(
        whole, observed, "the framework shares distances only with a scorer that has all of them.", "a misspelt name."
    )
    if takes == list(PARTS):
        observed = f"metric is {scorer.metric!r}, which is not one of {', '.join(METRICS)}."
        require(scorer.metric in METRICS, observed, "the framework has to measure it.", "another word for a metric.")


def check_distances_agree_with_features(bench: ScorerBench) -> None:
    """Fitted on distances, a scorer gives test clips and left-out train normals the scores that features give."""
    scorer = bench.build()
    if not all(hasattr(scorer, name) for name in PARTS):
        return
    train, rows = bench.inputs(bench.train()), bench.inputs(bench.rows(bench.size, seed=6))
    bank = train["features"]
    fitted = scorer.fit_distances(distances_of(bank, bank, scorer.metric), train["domain"].copy())
    given = fitted.score_distances(distances_of(rows["features"], bank, scorer.metric))
    gaps = {"scores of test clips": difference(bench.once(rows), _arrays(given), bench.rtol)}
    if hasattr(fitted, "score_left_out"):
        by_features = bench.fit(bench.build(), train).score_left_out()
        gaps["left-out scores"] = difference(_arrays(by_features), _arrays(fitted.score_left_out()), bench.rtol)
    for what, gap in gaps.items():
        why = "the framework takes either way, by how many train normals there are."
        cause = "another metric or scale than that of asdcore.distances: half of 1 - cosine, or the plain distance."
        require(not gap, f"In the {what} fitted on distances, {gap}.", why, cause)


CHECKS = (check_distances_come_whole, check_distances_agree_with_features)


def _arrays(scores: object) -> Rows:
    return {name: np.asarray(values) for name, values in dict(scores).items()}  # type: ignore[call-overload]


def distances_of(features: NDArray[np.float32], bank: NDArray[np.float32], metric: str) -> NDArray[np.float64]:
    """Measure each pair of clips by the definition; the kit's features hold no zero vector."""
    queries, normals = (array.reshape(len(array), -1).astype(np.float64) for array in (features, bank))
    if metric == "cosine":
        queries, normals = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, normals))
    squares = np.stack([np.square(normals - query).sum(axis=1) for query in queries])
    return np.asarray(squares / 4.0 if metric == "cosine" else np.sqrt(squares))
