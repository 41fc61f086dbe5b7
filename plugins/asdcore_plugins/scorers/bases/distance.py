"""The base of scorers that need nothing but distances to the train normals.

Fitted on features, such a scorer measures the distances itself. Fitted on distances (:func:`asdcore.distances`), it
shares them with every other scorer of the same features. Both ways give the same bits.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from asdcore import DISTANCE_BYTES, DataError, Without, distances
from asdcore_plugins.scorers.bases.references import large_enough, members_of
from asdcore_plugins.scorers.bases.scorer import DependentScorer
from asdcore_plugins.stats.arrays import DistanceRows, Floats, Floats32, Indices
from asdcore_plugins.stats.learned import Count
from asdcore_plugins.stats.neighbours.exact import BLOCK
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.parameters import metric_name, reference_names


class DistanceScorer(DependentScorer):
    """A scorer on distances to the train normals.

    Parameters
    ----------
    name
        Name of the scorer, for messages.
    metric
        "cosine" (half of one minus the cosine similarity, 0 to 1) or "euclidean".
    references
        The references to score against: some of "pooled", "source", "target".
    fewest
        A reference with fewer train clips is left out.
    """

    _n: Count
    _members: Annotated[Mapping[str, Indices], "+", "n"]
    _bank: Annotated[Floats32 | None, "n ..."]

    def __init__(self, name: str, metric: str, references: Sequence[str], fewest: int = 2) -> None:
        self.metric, self._references = metric_name(metric), reference_names(references)
        self.name, self._fewest = name, fewest

    def _fit_without(self, features: Floats32, domain: NDArray[np.str_], without: Sequence[Indices] | None) -> None:
        bank = np.array(features, order="C")
        fits = 8 * len(bank) ** 2 <= DISTANCE_BYTES
        rows = distances(bank, bank, self.metric).__getitem__ if fits else LazyDistances(bank, self.metric)
        self._begin(rows, domain, None if without is None else Without(without, len(bank)))
        self._bank = bank

    def fit_distances(
        self, distances: Floats, domain: NDArray[np.str_], without: Sequence[Indices] | None = None
    ) -> Self:
        """Learn from distances that are measured already.

        Parameters
        ----------
        distances
            (n_train, n_train) distances of the train normals to one another, in this scorer's ``metric``.
        domain, without
            As in :meth:`fit`.

        Returns
        -------
        Self
            The fitted scorer; it scores distances, not features.
        """
        self._is_fitted = False
        self._begin(distances.__getitem__, domain, None if without is None else Without(without, len(domain)))
        self._bank, self._is_fitted, self._is_restored = None, True, False
        return self

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        if self._bank is None:
            raise DataError(f"this {self.name} was fitted on distances: call score_distances, or fit it on features")
        parts = [
            self.score_distances(distances(features[start : start + BLOCK], self._bank, self.metric))
            for start in range(0, max(1, len(features)), BLOCK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _score_left_out(self, without: Sequence[Indices] | None) -> Mapping[str, Floats]:
        if without is None and self._apart is None:
            return self._left_out()
        return self._left_out_without(Without(without, self._n))

    @abstractmethod
    def _left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each left out alone."""

    @abstractmethod
    def _left_out_without(self, without: Without) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each without its set."""

    @abstractmethod
    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """Score clips by their distances to the train normals.

        Parameters
        ----------
        distances
            (n_clips, n_train) distances, in this scorer's ``metric``.

        Returns
        -------
        Mapping[str, Floats]
            {reference: scores (n_clips,)}.
        """

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: its distances to the bank."""
        return n_train * dim

    @abstractmethod
    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        """Learn from the bank's distances to itself; ``_members`` has the train clips of each reference."""

    def _begin(self, rows: DistanceRows, domain: NDArray[np.str_], apart: Without | None) -> None:
        self._apart = apart
        usable = {name: self._usable(clips, domain) for name, clips in members_of(domain, self._references).items()}
        self._members = large_enough(self.name, usable, self._fewest)
        self._rows, self._n = rows, len(domain)
        self._learn(rows, domain)

    def _usable(self, members: Indices, domain: NDArray[np.str_]) -> Indices:
        """Return the clips of a reference that the method can use: all, unless a scorer overrides this."""
        return members
