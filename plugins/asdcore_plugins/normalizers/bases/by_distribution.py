"""The base of normalizers that read a distribution function F of train-normal scores.

Outputs
    ``probability``  F, in [0, 1].
    ``normal``       the standard normal quantile of F, where F is never 0.
    ``surprise``     -log(1 - F): grows without bound even after F has rounded to 1.

Under shrinkage a target's F is a mixture: F_t* = (n_t F_t + kappa F_s) / (n_t + kappa), kappa = ``shrinkage``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri, ndtri_exp

from asdcore_plugins.normalizers.bases.domain_scope import ScopedNormalizer
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import Learned, Number
from asdcore_plugins.stats.parameters import choice

OUTPUTS = ("probability", "normal", "surprise")


class Distribution(Protocol):
    """A distribution function; each of its sides keeps its precision where it is small."""

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        ...

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,), finite."""
        ...


@dataclass(frozen=True)
class Mixture(Learned):
    """A distribution, or a mixture of two; ``share`` is the weight of the second, between 0 and 1.

    A subclass says by the annotations of ``first`` and ``second`` of what class they are.
    """

    first: Distribution
    second: Distribution | None = None
    share: Number = 0.0

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        if self.second is None:
            return self.first.below(scores)
        return (1.0 - self.share) * self.first.below(scores) + self.share * self.second.below(scores)

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        if self.second is None:
            return self.first.log_above(scores)
        first, second = self.first.log_above(scores), self.second.log_above(scores)
        above: Floats = np.logaddexp(np.log1p(-self.share) + first, np.log(self.share) + second)
        return above


class ByDistribution(ScopedNormalizer[Distribution]):
    """A normalizer by a distribution function.

    Parameters
    ----------
    scope, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.domain_scope.ScopedNormalizer`.
    output : str
        "probability", "normal" or "surprise", as above.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    fewest = 2
    outputs: Sequence[str] = OUTPUTS
    tail_probability = True

    def __init__(self, scope: str, output: str, shrinkage: float) -> None:
        super().__init__(scope, shrinkage)
        self._output = choice("output", output, self.outputs)

    def _z(self, scale: Distribution, scores: Floats) -> Floats:
        return expressed(scale, self._output, scores)


def expressed(distribution: Distribution, output: str, scores: Floats) -> Floats:
    """Return one of the outputs (n_clips,) that a distribution has for scores."""
    if output == "probability":
        return distribution.below(scores)
    above = distribution.log_above(scores)
    if output == "surprise":
        return -above
    below = distribution.below(scores)
    quantile: Floats = np.where(below < 0.5, ndtri(np.minimum(below, 0.5)), -ndtri_exp(above))
    return quantile
