"""The base of scorers that look at the neighbours of train normals.

Lists of neighbours hold some in reserve, to make up for clips that are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without
from asdcore_plugins.scorers.bases.distance import DistanceScorer
from asdcore_plugins.scorers.bases.references import too_few_left
from asdcore_plugins.stats.arrays import DistanceRows, Floats, Indices
from asdcore_plugins.stats.neighbours.exact import Neighbours
from asdcore_plugins.stats.neighbours.leave_sets_out import NeighbourLists, NeighboursWithout
from asdcore_plugins.stats.neighbours.lost_copies import LostCopies
from asdcore_plugins.stats.neighbours.repeated_clips import DistinctClips


class NeighbourScorer(DistanceScorer):
    """A scorer on the neighbours of train normals.

    A clip that another one must not rest on, by ``without`` of ``fit``, is not among its neighbours. A train normal
    that has no neighbours left is skipped: nothing says how far normal clips are from it.
    """

    def _begin(self, rows: DistanceRows, domain: NDArray[np.str_], apart: Without | None) -> None:
        self._lists: dict[str, tuple[NeighbourLists, int, Neighbours]] = {}
        super()._begin(rows, domain, apart)

    def _nearest_others(
        self, name: str, rows: DistanceRows, group: Indices, k: int, apart: Without | None
    ) -> Neighbours:
        """Find and keep the k nearest others of every clip in its group (n,), and one more that steps in."""
        lists = NeighbourLists(rows, group, apart)
        listed = lists.listed(k + 1, 0 if apart is None else apart.most)
        self._lists[name] = lists, k, listed
        return listed.first(k + 1)

    def _neighbours_without(
        self, name: str, without: Without, distinct: DistinctClips | None = None, *, indexed: bool = False
    ) -> NeighboursWithout:
        """Return the neighbours of that name in banks that lack sets of clips; of ``distinct``, one stands for all."""
        lost = None
        if distinct is not None and distinct.some:
            lost = None if self._apart is None else LostCopies(distinct, self._apart, without)
            without = distinct.reduced(without)
        lists, k, listed = self._lists[name]
        if listed.index.shape[1] < lists.columns(k, without.most):
            listed = lists.listed(k, without.most)
        return NeighboursWithout(lists, listed, k, without, indexed=indexed, lost=lost)

    def _keep(self, members: Mapping[str, Indices]) -> None:
        """Keep the references that still have enough clips; raise DataError if none has."""
        self._members = {name: clips for name, clips in members.items() if len(clips) >= self._fewest}
        if not self._members:
            raise DataError(
                f"{self.name} needs at least {self._fewest} train normals that differ and have neighbours left, in "
                f"one of its references {', '.join(self._references)}. Look for repeated clips among the {self._n}."
            )

    def _kept(self, scores: Mapping[str, Floats], fewest: Mapping[str, int]) -> dict[str, Floats]:
        """Keep the references in which each clip had enough others, given the fewest that any clip had."""
        kept = {name: values for name, values in scores.items() if fewest[name] >= self._fewest - 1}
        if not kept:
            raise too_few_left(self.name, self._fewest - 1, self._members)
        return kept

    @abstractmethod
    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None: ...
