"""Compares every two systems of finished runs on the same test clips, and tells real differences from chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asdcore.errors import EvaluationError
from asdcore.evidence.comparisons.comparison_results import Comparison
from asdcore.evidence.comparisons.trial_comparison import all_trials, compare_trials
from asdcore.evidence.selection.candidates import Places, Runs, flattened, open_candidates, places_of
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.paired import SIGNIFICANT, pairwise
from asdcore.evidence.uncertainty.resample import check_draws
from asdcore.progress import Progress, Silent

__all__ = ["PERMUTATIONS", "Comparison", "compare"]

PERMUTATIONS = 2000
"""Permutations of each pair by default. Many pairs need more."""


def compare(
    *runs: Runs,
    systems: Sequence[str] | None = None,
    truth: str | Path | None = None,
    year: int | None = None,
    replicates: int = 2000,
    permutations: int | None = None,
    seed: int = 0,
    hypothesis: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare every two systems of finished runs on the same test clips, and log the look at the labels.

    Each difference of official scores comes with a paired bootstrap interval, a permutation p-value corrected by Holm's
    method, and the smallest difference that these clips could have shown. Trials are paired by their seed: differences
    are means over the seeds, and interval and p-value are over trials and clips together
    (:mod:`asdcore.evidence.uncertainty.trial_pairs`).

    Parameters
    ----------
    *runs : Run, Trials, str, pathlib.Path, or a sequence of them
        Finished runs or their folders; or trials, all with the same seeds.
    systems : sequence of str, optional
        The systems to compare; all by default. With several runs a name is "RUN/SYSTEM".
    truth : str or pathlib.Path, optional
        Ground truth folder or list; see :func:`asdcore.evaluate`.
    year : int, optional
        The year whose rules apply; that of the runs by default.
    replicates : int, default 2000
        Bootstrap replicates, at least 100.
    permutations : int, optional
        Permutations of each pair. The default is 2,000, or more if Holm's correction for so many pairs needs more.
    seed : int, default 0
        Seed of the bootstrap and of the permutations.
    hypothesis : str, optional
        What you expect, for the ledger.
    progress : Progress, optional
        Told of each finished pair.

    Returns
    -------
    Comparison
        Results and differences; ``to_polars()`` gives one row for every two systems.

    Raises
    ------
    EvaluationError
        If the runs differ in test clips or in rules, trials have other seeds or are mixed with runs, there are fewer
        than two systems, or so many pairs that so few permutations could show no difference.

    References
    ----------
    A. I. Bandos, H. E. Rockette and D. Gur, "A permutation test sensitive to differences in areas for comparing
    ROC curves from a paired design", Statistics in Medicine 24, 2005.

    N. A. Obuchowski and H. E. Rockette, "Hypothesis testing of diagnostic accuracy for multiple readers and multiple
    tests", Communications in Statistics: Simulation and Computation 24, 1995; with the degrees of freedom of S. L.
    Hillis, Statistics in Medicine 26, 2007. For trials.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.

    Examples
    --------
    >>> comparison = asdcore.compare(
    ...     "runs/first", "runs/second", systems=["first/knn", "second/guarded"], replicates=200
    ... )
    >>> print(comparison.differences[0].sentence)
    second/guarded is ... points above first/knn, which ...
    >>> comparison.to_polars()["second"].to_list()
    ['second/guarded']

    """
    if (trials := all_trials(list(flattened(runs)))) is not None:
        if permutations is not None:
            raise EvaluationError("Trials are compared without permutations. Leave --permutations out.")
        how: dict[str, Any] = {"systems": systems, "truth": truth, "year": year, "replicates": replicates}
        return compare_trials(trials, **how, seed=seed, hypothesis=hypothesis)
    places = places_of(runs, systems)
    pairs, permutations = _pairs_of(places, permutations)
    candidates = open_candidates(places, truth, year)
    drawn = Resampled.of(candidates.table, candidates.year, replicates, seed)
    with (progress or Silent()).stage("compare", pairs) as advance:
        differences = pairwise(drawn, permutations, advance)
    evaluation = replace(candidates.evaluation, uncertainty=drawn.uncertainty())
    replace(candidates, evaluation=evaluation).record("comparison of", hypothesis)
    return Comparison(evaluation, differences, permutations)


def _pairs_of(places: Places, asked: int | None) -> tuple[int, int]:
    """Return the numbers of pairs and permutations; raise for one system, or too few or many permutations."""
    if len(places) < 2:
        raise EvaluationError(
            f"There is only the system {', '.join(places)}: a comparison needs two. Name another run."
        )
    pairs = math.comb(len(places), 2)
    needed = math.ceil(pairs / SIGNIFICANT)
    permutations = max(PERMUTATIONS, needed) if asked is None else asked
    check_draws("permutations", permutations)  # a larger one may be no float
    if SIGNIFICANT * (1 + permutations) < pairs:
        raise EvaluationError(
            f"With {pairs} pairs of systems, {permutations} permutations could show no difference: the smallest p is "
            f"1 / {1 + permutations}, and Holm's correction multiplies it by {pairs}. "
            f"Use --permutations {needed}, or compare fewer systems: --systems NAME, once for each."
        )
    return pairs, permutations
