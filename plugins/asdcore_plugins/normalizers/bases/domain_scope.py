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
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Annotated, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.extremes import Curve, warn_of_extremes
from asdcore_plugins.stats.fitted import Fitted
from asdcore_plugins.stats.learned import LEARNED
from asdcore_plugins.stats.parameters import between, choice

Scale = TypeVar("Scale")
"""What is learned of the scores of one domain."""

SCOPES = ("pooled", "source", "target", "domain_min")


class ScopedNormalizer(Fitted, Generic[Scale]):
    """A normalizer that learns a scale of the train normals of each domain.

    A subclass sets ``name``, as messages say it, and ``fewest``, the clips that a domain needs; it
    annotates ``_scales``. It implements :meth:`_scale`, :meth:`_target_scale` for target clips beside source clips, and
    :meth:`_z`, which puts scores on a scale.

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

    fit_call = "fit(scores, domain)"
    fewest: int = 1
    scopes: Sequence[str] = SCOPES

    _references: Annotated[Mapping[str, str], LEARNED]
    _scales: Mapping[str, Scale]

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0) -> None:
        self._scope = choice("scope", scope, self.scopes)
        self._shrinkage = between("shrinkage", shrinkage, 0, math.inf, low_included=True)

    def fit(self, scores: Mapping[str, Floats], domain: NDArray[np.str_]) -> Self:
        """Learn the scales of train normals.

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
        self._is_fitted = False
        self._references, self._scales = (
            self._pooled(scores) if self._scope == "pooled" else self._by_domain(scores, domain)
        )
        self._is_fitted, self._is_restored = True, False
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
        self._check_fitted()
        return self._combined([self._z(scale, scores[self._references[name]]) for name, scale in self._scales.items()])

    def _pooled(self, scores: Mapping[str, Floats]) -> tuple[dict[str, str], dict[str, Scale]]:
        """Return the reference and the scale of all train normals, each by the name "all"."""
        reference = _pooled_reference(scores)
        scale = self._scale(scores[reference], "all")
        self._warn("all", scores[reference], scale, lambda rest: self._scale(rest, "all"))
        return {"all": reference}, {"all": scale}

    def _by_domain(
        self, scores: Mapping[str, Floats], domain: NDArray[np.str_]
    ) -> tuple[dict[str, str], dict[str, Scale]]:
        """Return reference and scale of each domain that counts."""
        # Without a bank to score the domain against, or with too few clips of it, the other domain stands for both.
        references = {
            name: name if name in scores else "pooled"
            for name in ("source", "target")
            if {name, "pooled"} & scores.keys() and (domain == name).sum() >= self.fewest
        }
        alone = self._scope in ("source", "target")
        if not references or (alone and self._scope not in references):
            wanted = self._scope if alone else "source or the target"
            raise DataError(f"{self._scope} needs at least {self.fewest} train normals of the {wanted} domain")
        values = {name: scores[reference][domain == name] for name, reference in references.items()}
        scales = self._domain_scales(values)
        for name, scale in scales.items():
            self._warn(name, values[name], scale, partial(self._scale_of, name, values))
        kept = [name for name in scales if self._scope == name or not alone]
        return {name: references[name] for name in kept}, {name: scales[name] for name in kept}

    def _warn(self, which: str, values: Floats, scale: Scale, refit: Callable[[Floats], Scale]) -> None:
        """Warn if a few extreme scores set the scale of all others."""
        warn_of_extremes(self.name, which, values, self._curve(scale), lambda rest: self._curve(refit(rest)))

    def _curve(self, scale: Scale) -> Curve:
        return partial(self._z, scale)

    def _combined(self, z: Sequence[Floats]) -> Floats:
        """Combine the z of the domains into one (n_clips,): the smallest."""
        return reduce(np.minimum, z)

    def _scale_of(self, name: str, values: Mapping[str, Floats], normals: Floats) -> Scale:
        """Return the scale of one domain, if it had these train-normal scores (n,)."""
        return self._domain_scales({**values, name: normals})[name]

    def _domain_scales(self, chosen: Mapping[str, Floats]) -> dict[str, Scale]:
        """{domain: train-normal scores} -> {domain: scale}."""
        scales = {name: self._scale(scores, name) for name, scores in chosen.items() if name == "source"}
        if "target" in chosen:
            target, source = chosen["target"], chosen.get("source")
            scales["target"] = self._scale(target, "target") if source is None else self._target_scale(target, source)
        return scales

    @abstractmethod
    def _scale(self, scores: Floats, which: str) -> Scale:
        """Train-normal scores (n,) and whose they are -> their scale; raise DataError if they have none."""

    @abstractmethod
    def _target_scale(self, target: Floats, source: Floats) -> Scale:
        """Train-normal scores of both domains -> the target's scale, drawn toward the source's."""

    @abstractmethod
    def _z(self, scale: Scale, scores: Floats) -> Floats:
        """Put scores (n_clips,) on a scale: z (n_clips,), non-decreasing, each clip by itself."""

    def _named(self) -> Sequence[str]:
        return ("all", "source", "target")

    def _drawn(self, n: int) -> float:
        """Return the source's share in what is learned of n target clips."""
        return self._shrinkage / (n + self._shrinkage)


def _pooled_reference(scores: Mapping[str, Floats]) -> str:
    """Return the reference that stands for all train normals: the pooled one, or the only one."""
    if "pooled" in scores or len(scores) == 1:
        return "pooled" if "pooled" in scores else next(iter(scores))
    raise DataError(
        f"scope 'pooled' needs scores against the pooled bank, but the scorer gives {' and '.join(sorted(scores))}. "
        "Add 'pooled' to its references, or use scope 'domain_min'."
    )
