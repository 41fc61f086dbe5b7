"""The base of scorers: fit on train normals, then score clips against references.

A reference is a bank of train normals: all of them (``pooled``), or those of one domain (``source``, ``target``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, DataError
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.fitted import Fitted


class ReferenceScorer(Fitted):
    """A scorer against references. A subclass sets ``name``, as messages say it, and implements two methods.

    These are :meth:`_fit` and :meth:`_score`.
    """

    _references: tuple[str, ...] = REFERENCES

    def fit(self, features: Floats32, domain: NDArray[np.str_]) -> Self:
        """Learn from train normals; an earlier fit is forgotten.

        Parameters
        ----------
        features
            (n_train, ...) features of the train normals.
        domain
            (n_train,) "source" or "target" for each.

        Returns
        -------
        Self
            The fitted scorer. References with too few train normals are left out.

        Raises
        ------
        DataError
            If no reference has enough train normals, or the features do not fit the method.
        """
        self._is_fitted = False
        self._fit(features, domain)
        self._is_fitted, self._is_restored = True, False
        return self

    def score(self, features: Floats32) -> Mapping[str, Floats]:
        """Score clips, each by itself.

        Parameters
        ----------
        features
            (n_clips, ...) features, as those of the train normals.

        Returns
        -------
        Mapping[str, Floats]
            {reference: scores (n_clips,)}; larger is more anomalous.

        Raises
        ------
        DataError
            Before ``fit``, or if the features are of another size than those of the train normals.
        """
        self._check_fitted()
        return self._score(features)

    def _named(self) -> Sequence[str]:
        """Return the references of which something may be learned, in the order of their scores."""
        return self._references

    @abstractmethod
    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        """Learn from the train normals."""

    @abstractmethod
    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        """Return {reference: scores (n_clips,)}."""


class LeaveOutScorer(ReferenceScorer):
    """A scorer that scores its own train normals without fitting again, by :meth:`_score_left_out`."""

    def score_left_out(self, without: Sequence[Indices] | None = None) -> Mapping[str, Floats]:
        """Score the fitted clips, each by what the others are without it.

        Parameters
        ----------
        without
            For each clip, the clips that its score must not rest on either, be it as neighbours or by what is learned
            of others from them.

        Returns
        -------
        Mapping[str, Floats]
            {reference: scores (n_train,)}. A reference with too few clips left for some clip is left out.

        Raises
        ------
        DataError
            Before ``fit``, after ``restore``, or if no reference has enough clips left for each clip.
        """
        self._check_fitted()
        if self._is_restored:
            raise DataError(
                f"this {self.name} was restored from its state, which holds what scores other clips and no more: fit "
                "it to score train normals left out"
            )
        return self._score_left_out(without)

    @abstractmethod
    def _score_left_out(self, without: Sequence[Indices] | None) -> Mapping[str, Floats]:
        """Return {reference: scores (n_train,)}, each clip without itself and the clips in its array."""


class DependentScorer(LeaveOutScorer):
    """A scorer that learns something of each train normal from others, by :meth:`_fit_without`."""

    def fit(self, features: Floats32, domain: NDArray[np.str_], without: Sequence[Indices] | None = None) -> Self:
        """Learn from train normals; an earlier fit is forgotten.

        Parameters
        ----------
        features, domain
            As in :meth:`ReferenceScorer.fit`.
        without
            For each clip, the clips that nothing learned of it (such as how far its neighbours are) may rest on.

        Returns
        -------
        Self
            The fitted scorer.
        """
        self._is_fitted = False
        self._fit_without(features, domain, without)
        self._is_fitted, self._is_restored = True, False
        return self

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        self._fit_without(features, domain, None)

    @abstractmethod
    def _fit_without(self, features: Floats32, domain: NDArray[np.str_], without: Sequence[Indices] | None) -> None:
        """Learn from the train normals; of each, nothing from the clips in its array."""
