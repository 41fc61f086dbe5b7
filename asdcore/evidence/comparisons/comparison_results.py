"""What a comparison of systems found: their results, and the difference of every two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asdcore.evidence.data_frames import Tabular
from asdcore.evidence.evaluations.evaluate import Evaluation
from asdcore.evidence.uncertainty import Difference


@dataclass(frozen=True)
class Comparison(Tabular):
    """The results of some systems with their intervals, and the difference of every two of them.

    Attributes
    ----------
    evaluation : Evaluation
        Official scores and cells, with intervals.
    differences : sequence of Difference
        One for every two systems, in sorted order.
    permutations : int
        How many were drawn for each pair.

    """

    evaluation: Evaluation
    differences: Sequence[Difference]
    permutations: int

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for every two systems."""
        return [difference.as_json() for difference in self.differences]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore compare --json`` prints; scores and differences are fractions."""
        results = self.evaluation.as_json()["systems"]
        return {
            "year": self.evaluation.year or None,
            "systems": {
                name: {key: result[key] for key in (self.evaluation.total, "ci95")} for name, result in results.items()
            },
            "differences": [difference.as_json() for difference in self.differences],
            "replicates": self.evaluation.uncertainty.replicates if self.evaluation.uncertainty else 0,
            "permutations": self.permutations,
        }
