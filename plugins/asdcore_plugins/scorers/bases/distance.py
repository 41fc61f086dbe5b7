"""The base of scorers that need nothing but distances to the train normals: their references, and two ways to fit.

Fitted on features, a scorer measures the distances itself; fitted on distances (:func:`asdcore.distances`), it shares
them with every other scorer of the same features. Both ways give the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from asdcore import DataError, Without
from asdcore_plugins.stats.neighbours.exact import BLOCK
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.parameters import METRICS, REFERENCES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.neighbours.exact import Rows

    Floats = NDArray[np.float64]

HELD = 200_000_000
"""Bytes that a bank's distances to itself may take; those of a larger bank are searched where they are needed."""


def references_left(
    without: Without | None, members: Mapping[str, NDArray[np.intp]], fewest: int, name: str
) -> list[str]:
    """Return the references in which every train normal has at least ``fewest`` others that it may be scored by.

    Raises DataError where there is none.
    """
    kept = [one for one, some in members.items() if without is None or without.fewest_left(some) >= fewest]
    if not kept:
        raise too_few_left(name, fewest, members)
    return kept


def too_few_left(name: str, fewest: int, references: Iterable[str]) -> DataError:
    """Return the error that train normals keep too few others to be scored by."""
    return DataError(
        f"{name} needs at least {fewest} train normals to score each train normal by; with those left out that its "
        f"score must not rest on, some keep fewer, in each of the references {', '.join(references)}"
    )


class DistanceScorer(ABC):
    """A scorer on distances to the train normals; a reference with fewer than ``fewest`` of them is left out."""

    def __init__(self, name: str, metric: str, references: Sequence[str], fewest: int = 2) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self.metric = metric
        self._name, self._references, self._fewest = name, tuple(references), fewest
        self._members: dict[str, NDArray[np.intp]] = {}

    def fit(
        self, features: NDArray[np.float32], domain: NDArray[np.str_], without: Sequence[NDArray[np.intp]] | None = None
    ) -> Self:
        """(n_train, ...) features and their domains; keeps them as the bank.

        without : for each clip, the clips that what is learned of it (how far its neighbours are) must not rest on. A
        large bank is searched, which gives the same bits.
        """
        import numpy as np

        from asdcore import distances

        bank = np.array(features)
        held = 8 * len(bank) ** 2 <= HELD
        rows = distances(bank, bank, self.metric).__getitem__ if held else LazyDistances(bank, self.metric)
        self._begin(rows, domain, None if without is None else Without(without, len(bank)))
        self._bank: NDArray[np.float32] | None = bank
        return self

    def fit_distances(
        self, distances: Floats, domain: NDArray[np.str_], without: Sequence[NDArray[np.intp]] | None = None
    ) -> Self:
        """(n_train, n_train) distances of the train normals to one another in this scorer's ``metric``.

        ``without`` as in :meth:`fit`.
        """
        self._begin(distances.__getitem__, domain, None if without is None else Without(without, len(domain)))
        self._bank = None
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: (n_clips,)}."""
        import numpy as np

        from asdcore import distances

        self._check_fitted()
        if self._bank is None:
            raise DataError(f"this {self._name} was fitted on distances: call score_distances, or fit it on features")
        parts = [
            self.score_distances(distances(features[start : start + BLOCK], self._bank, self.metric))
            for start in range(0, max(1, len(features)), BLOCK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def score_left_out(self, without: Sequence[NDArray[np.intp]] | None = None) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each by what the others are without it.

        without : for each clip, the clips that its score must not rest on either, be it as neighbours or by what is
        learned of others from them. A reference with too few clips left for some clip is left out.
        """
        self._check_fitted()
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
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its distances to the bank."""
        return n_train * dim

    @abstractmethod
    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        """Learn from the bank's distances to itself what scoring needs; ``_members`` says who is in which reference."""

    def _begin(self, rows: Rows, domain: NDArray[np.str_], apart: Without | None) -> None:
        import numpy as np

        self._apart = apart
        self._members = {}
        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        members = {name: self._eligible(some, domain) for name, some in members.items()}
        members = {name: some for name, some in members.items() if len(some) >= self._fewest}
        if not members:
            raise DataError(
                f"{self._name} needs at least {self._fewest} train normals in one of its references "
                f"{', '.join(self._references)}"
            )
        self._members, self._rows, self._n = members, rows, len(domain)
        try:
            self._learn(rows, domain)
        except DataError:
            self._members = {}
            raise

    def _eligible(self, members: NDArray[np.intp], domain: NDArray[np.str_]) -> NDArray[np.intp]:
        """Return which clips of a reference the method can use: all, unless it says otherwise."""
        return members

    def _check_fitted(self) -> None:
        if not self._members:
            raise DataError(f"this {self._name} has no train normals yet: call fit(features, domain) first")
