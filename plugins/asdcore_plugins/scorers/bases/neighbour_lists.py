"""The base of scorers that look at the neighbours of train normals: lists of neighbours, with some in reserve."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from asdcore import DataError
from asdcore_plugins.scorers.bases.distance import DistanceScorer, too_few_left
from asdcore_plugins.stats.neighbours.leave_sets_out import NeighboursWithout, Surroundings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.neighbours.exact import Neighbours, Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class NeighbourScorer(DistanceScorer):
    """A scorer on the neighbours of train normals.

    Whoever a clip must not rest on, by ``without`` of ``fit``, is none of its neighbours. A train normal that has none
    left is passed over: nothing says how far normal clips are from it.
    """

    def _begin(self, rows: Rows, domain: NDArray[np.str_], apart: Without | None) -> None:
        self._lists: dict[str, tuple[Surroundings, int, Neighbours]] = {}
        super()._begin(rows, domain, apart)

    def _nearest_others(self, name: str, rows: Rows, group: Indices, k: int, apart: Without | None) -> Neighbours:
        """Find the k nearest others of every clip in its group (n,), and the one that steps in, and keep them."""
        known = Surroundings(rows, group, apart)
        listed = known.listed(k + 1, 0 if apart is None else apart.most)
        self._lists[name] = known, k, listed
        return listed.first(k + 1)

    def _neighbours_without(self, name: str, without: Without, *, indexed: bool = False) -> NeighboursWithout:
        """Return the neighbours of that name in banks that lack sets of clips."""
        known, k, listed = self._lists[name]
        if listed.index.shape[1] < known.columns(k, without.most):
            listed = known.listed(k, without.most)
        return NeighboursWithout(known, listed, k, without, indexed=indexed)

    def _keep(self, members: Mapping[str, Indices]) -> None:
        """Keep the references that still have enough clips; raise DataError where none has."""
        self._members = {name: some for name, some in members.items() if len(some) >= self._fewest}
        if not self._members:
            raise DataError(
                f"{self._name} needs at least {self._fewest} train normals that differ and have neighbours left, in "
                f"one of its references {', '.join(self._references)}. Look for repeated clips among the {self._n}."
            )

    def _kept(self, scores: Mapping[str, Floats], fewest: Mapping[str, int]) -> dict[str, Floats]:
        """Keep the references of which each clip had enough others, given the fewest that any had."""
        kept = {name: values for name, values in scores.items() if fewest[name] >= self._fewest - 1}
        if not kept:
            raise too_few_left(self._name, self._fewest - 1, self._members)
        return kept

    @abstractmethod
    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None: ...
