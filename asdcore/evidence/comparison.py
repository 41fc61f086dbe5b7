"""Which systems of finished runs really differ: every two of them, on the same test clips, held against one truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asdcore.errors import EvaluationError
from asdcore.evidence.evaluate import Evaluation
from asdcore.evidence.frames import Tabular
from asdcore.evidence.selection.candidates import Places, Runs, open_candidates, places_of
from asdcore.evidence.uncertainty import Difference
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.paired import SIGNIFICANT, pairwise
from asdcore.progress import Progress, Silent

PERMUTATIONS = 2000
"""Permutations of each pair, where nobody asks for another number and no more are needed."""


@dataclass(frozen=True)
class Comparison(Tabular):
    """The results of some systems with their intervals, and the difference of every two of them."""

    evaluation: Evaluation
    differences: list[Difference]
    permutations: int

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for every two systems."""
        return [difference.as_json() for difference in self.differences]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore compare --json`` prints; scores and differences are fractions."""
        systems = self.evaluation.as_json()["systems"]
        return {
            "year": self.evaluation.year,
            "systems": {name: {key: one[key] for key in ("official_score", "ci95")} for name, one in systems.items()},
            "differences": [one.as_json() for one in self.differences],
            "replicates": self.evaluation.uncertainty.replicates if self.evaluation.uncertainty else 0,
            "permutations": self.permutations,
        }


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
    """Compare every two systems of one or more finished runs on the same test clips, and log the look at the labels.

    systems : those to compare, by name ("RUN/SYSTEM" where there are several runs); all without it. truth, year,
    hypothesis : see :func:`asdcore.evaluate`. replicates, permutations, seed : of the paired bootstrap and the
    permutation test; see :mod:`asdcore.evidence.uncertainty.paired`. Without a number there are 2,000 permutations, or
    as many as Holm's correction for so many pairs needs to show any difference. runs : one by one, or in lists.

    Raises EvaluationError where the runs differ in test clips or rules, there are fewer than two systems, or so many
    that so few permutations could show nothing.
    """
    places = places_of(runs, systems)
    pairs, permutations = _pairs_of(places, permutations)
    candidates = open_candidates(places, truth, year)
    drawn = Resampled.of(candidates.table, candidates.year, replicates, seed)
    with (progress or Silent()).stage("compare", pairs) as advance:
        found = pairwise(drawn, permutations, advance)
    evaluation = replace(candidates.evaluation, uncertainty=drawn.uncertainty())
    replace(candidates, evaluation=evaluation).record("comparison of", hypothesis)
    return Comparison(evaluation, found, permutations)


def _pairs_of(places: Places, asked: int | None) -> tuple[int, int]:
    """Return how many pairs and permutations there are; raise for none, or for too many pairs for those asked for."""
    if len(places) < 2:
        raise EvaluationError(
            f"There is only the system {', '.join(places)}: a comparison needs two. Name another run."
        )
    pairs = math.comb(len(places), 2)
    needed = math.ceil(pairs / SIGNIFICANT)
    permutations = max(PERMUTATIONS, needed) if asked is None else asked
    if SIGNIFICANT * (1 + permutations) < pairs:
        raise EvaluationError(
            f"Of {pairs} pairs of systems, {permutations} permutations could show none to differ: the smallest p is "
            f"1 / {1 + permutations}, and Holm's correction multiplies it by {pairs}. "
            f"Use --permutations {needed}, or compare fewer systems: --systems NAME, once for each."
        )
    return pairs, permutations
