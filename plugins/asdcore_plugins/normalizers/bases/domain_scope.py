"""The base of normalizers: which train normals a scope means, and how the z of two domains become one.

Scopes
    ``pooled``      all train normals, by their scores against the pooled bank.
    ``source``      those of one domain, by their scores against that domain's bank (against the pooled bank if the
    ``target``      scorer has no other).
    ``domain_min``  each domain by itself, as above; a clip's z is the smaller one, as if the clip belonged to the
                    domain in which it looks most normal. A domain with too few clips is left out: the other stands
                    for both.

Ten target clips say little. If there are source clips too, ``shrinkage`` draws what is learned of the target toward the
source, with the weight of that many clips; 0 trusts the target clips alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.extremes import warn_of_extremes
from asdcore_plugins.stats.parameters import between, choice

Curve = Callable[["Floats"], "Floats"]
"""Scores (n_clips,) -> z (n_clips,), non-decreasing, each clip by itself."""

SCOPES = ("pooled", "source", "target", "domain_min")


class ScopedNormalizer(ABC):
    """A normalizer that learns a curve of the train normals of each domain.

    A subclass sets ``name``, as messages say it, and ``fewest``, the clips that a domain needs. It implements
    :meth:`_curve`, and :meth:`_target_curve` for target clips beside source clips.

    Parameters
    ----------
    scope : str
        Which train normals count: "pooled", "source", "target" or "domain_min", as above.
    shrinkage : float
        With the weight of how many source clips the target is drawn toward the source, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    name: str
    fewest: int = 1
    scopes: Sequence[str] = SCOPES

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0) -> None:
        self._scope = choice("scope", scope, self.scopes)
        self._shrinkage = between("shrinkage", shrinkage, 0, math.inf, low_included=True)
        self._curves: list[tuple[str, Curve]] = []

    def fit(self, scores: Mapping[str, Floats], domain: NDArray[np.str_]) -> Self:
        """Learn the curves of train normals.

        Parameters
        ----------
        scores
            {reference: out-of-fold scores (n_train,)} of the train normals.
        domain
            (n_train,) "source" or "target" for each.

        Returns
        -------
        Self
            The fitted normalizer.

        Raises
        ------
        DataError
            If the scope has too few train normals, or their scores do not vary.
        """
        self._curves = []
        if self._scope == "pooled":
            reference = _pooled(scores)
            curve = self._curve(scores[reference], "all")
            warn_of_extremes(self.name, "all", scores[reference], curve, lambda rest: self._curve(rest, "all"))
            self._curves = [(reference, curve)]
            return self
        chosen = {}
        for name in ("source", "target"):
            reference = name if name in scores else "pooled"
            # Without a bank to score the domain against, or with too few clips of it, the other domain stands for both.
            if reference in scores and (domain == name).sum() >= self.fewest:
                chosen[name] = (reference, scores[reference][domain == name])
        alone = self._scope in ("source", "target")
        if not chosen or (alone and self._scope not in chosen):
            wanted = self._scope if alone else "source or the target"
            raise DataError(f"{self._scope} needs at least {self.fewest} train normals of the {wanted} domain")
        values = {name: normals for name, (_, normals) in chosen.items()}
        curves = self._domain_curves(values)
        for name, curve in curves.items():
            warn_of_extremes(self.name, name, values[name], curve, partial(self._curve_of, name, values))
        self._curves = [(chosen[name][0], curve) for name, curve in curves.items() if self._scope == name or not alone]
        return self

    def transform(self, scores: Mapping[str, Floats]) -> Floats:
        """Put scores on the scale of train normals.

        Parameters
        ----------
        scores
            {reference: scores (n_clips,)}.

        Returns
        -------
        Floats
            z (n_clips,), non-decreasing in every score.

        Raises
        ------
        DataError
            Before ``fit``.
        """
        if not self._curves:
            raise DataError(f"this {self.name} has no train normals yet: call fit(scores, domain) first")
        return self._combined([curve(scores[reference]) for reference, curve in self._curves])

    def _combined(self, z: Sequence[Floats]) -> Floats:
        """Combine the z of the domains into one (n_clips,): the smallest."""
        smallest: Floats = np.minimum.reduce(z)
        return smallest

    def _curve_of(self, name: str, values: Mapping[str, Floats], normals: Floats) -> Curve:
        """Return the curve of one domain, if it had these train-normal scores (n,)."""
        return self._domain_curves({**values, name: normals})[name]

    def _domain_curves(self, chosen: Mapping[str, Floats]) -> dict[str, Curve]:
        """{domain: train-normal scores} -> {domain: curve}."""
        curves = {name: self._curve(scores, name) for name, scores in chosen.items() if name == "source"}
        if "target" in chosen:
            target, source = chosen["target"], chosen.get("source")
            curves["target"] = self._curve(target, "target") if source is None else self._target_curve(target, source)
        return curves

    @abstractmethod
    def _curve(self, scores: Floats, which: str) -> Curve:
        """Train-normal scores (n,) and whose they are -> their curve; raise DataError if they have none."""

    @abstractmethod
    def _target_curve(self, target: Floats, source: Floats) -> Curve:
        """Train-normal scores of both domains -> the target's curve, drawn toward the source."""

    def _drawn(self, n: int) -> float:
        """Return the source's share in what is learned of n target clips."""
        return self._shrinkage / (n + self._shrinkage)


def _pooled(scores: Mapping[str, Floats]) -> str:
    """Return the reference that stands for all train normals: the pooled one, or the only one."""
    if "pooled" in scores or len(scores) == 1:
        return "pooled" if "pooled" in scores else next(iter(scores))
    raise DataError(
        f"scope 'pooled' needs scores against the pooled bank, but the scorer gives {' and '.join(sorted(scores))}. "
        "Add 'pooled' to its references, or use scope 'domain_min'."
    )
