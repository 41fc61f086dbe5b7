"""The base of scorers that need nothing but distances to the train normals.

Fitted on features, such a scorer measures the distances itself: of a new clip, only those that its score looks at.
Fitted on distances (:func:`asdcore.distances`), it shares them with every other scorer of the same features. Both ways
give the same bits.
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
from asdcore_plugins.stats.features import flat
from asdcore_plugins.stats.learned import Count, Stored
from asdcore_plugins.stats.neighbours.exact import BLOCK
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import metric_name, reference_names

SMALL = 1 << 16
"""Values in a bank up to which all distances are measured: sooner done than bounds."""

AT_ONCE = 1 << 22
"""Bounds of distances that are held at once: 32 MiB."""


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

    _root = False
    """Whether the scorer looks at the roots of distances."""
    _searched_bank: NearestRows | None = None

    def __init__(self, name: str, metric: str, references: Sequence[str], fewest: int = 2) -> None:
        self.metric, self._references = metric_name(metric), reference_names(references)
        self.name, self._fewest = name, fewest

    def _fit_without(self, features: Floats32, domain: NDArray[np.str_], without: Sequence[Indices] | None) -> None:
        bank = np.array(features, order="C")
        fits = 8 * len(bank) ** 2 <= DISTANCE_BYTES
        rows = distances(bank, bank, self.metric).__getitem__ if fits else LazyDistances(bank, self.metric)
        self._begin(rows, domain, None if without is None else Without(without, len(bank)))
        self._bank = bank
        self._searched_bank = self._rows.whole if isinstance(self._rows, LazyDistances) else None

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        self._searched_bank = None

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
        size = max(1, min(BLOCK, AT_ONCE // max(1, len(self._bank))))
        parts = [self._measured(features[start : start + size]) for start in range(0, max(1, len(features)), size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _measured(self, features: Floats32) -> Mapping[str, Floats]:
        """Score a block of clips; of a large bank, only the distances that the scorer looks at."""
        bank = self._bank
        assert bank is not None
        if bank.size <= SMALL or not len(features) or features.shape[1:] != bank.shape[1:]:
            return self.score_distances(distances(features, bank, self.metric))
        return self._searched(self._to_search(bank), features)

    def _to_search(self, bank: Floats32) -> NearestRows:
        """Return the bank as it is searched, laid out once."""
        if self._searched_bank is None:
            self._searched_bank = NearestRows.whole(flat(bank), self.metric, root=self._root)
        return self._searched_bank

    def _searched(self, bank: NearestRows, features: Floats32) -> Mapping[str, Floats]:
        """Score clips (n_clips, ...) by some of their distances; by all of them unless a scorer overrides this."""
        assert self._bank is not None
        return self.score_distances(distances(features, self._bank, self.metric))

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
