"""The normalizer ``gamma``: a gamma distribution of train normals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.special import digamma, gammainc, gammaincc, polygamma

from asdcore import DataError, OnnxValue
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.incomplete_gamma import log_upper_share, lower_share
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.onnx_formulas import written

STEPS = 100
SMALLEST = 1e-290
"""Below this the survival function is taken from its continued fraction."""

LEAST_SPREAD = 1e-9
"""A log m - l below this (scores within 5e-5 of one another) is lost in the rounding of the logarithms."""


@dataclass(frozen=True)
class GammaDistribution(Learned):
    """A gamma distribution with its origin at 0."""

    shape: Number
    scale: Number

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        x = np.maximum(scores, 0.0) / self.scale
        if isinstance(x, OnnxValue):
            return written(lower_share, self.shape, x)
        below: Floats = gammainc(self.shape, x)
        return below

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        x = np.maximum(scores, 0.0) / self.scale
        if isinstance(x, OnnxValue):
            return written(log_upper_share, self.shape, x)
        above = gammaincc(self.shape, x)
        far = above < SMALLEST
        logs: Floats = np.log(np.where(far, 1.0, above))
        logs[far] = [_log_upper(self.shape, float(value)) for value in x[far]]
        return logs


class Gamma(ByDistribution):
    """The gamma distribution of train normals: z = -log(1 - F), or F.

    The DCASE baselines set their decision threshold at a quantile of a gamma distribution fitted to train scores. Here
    it is fitted by maximum likelihood with its origin held at 0: with a free origin the fit often fails, unnoticed, for
    scores of another scale. With m the mean of the scores and l the mean of their logarithms the shape a solves ::

        log a - digamma(a) = log m - l

    by Newton's method, and the scale is m / a. Far beyond every normal 1 - F is below the smallest number there is. Its
    logarithm then comes from the continued fraction of the incomplete gamma function, so z stays finite and keeps
    rising. Scores must be above 0. A domain needs two clips. Under shrinkage source clips count in the target's m and
    l, so in its likelihood.

    Parameters
    ----------
    scope, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.domain_scope.ScopedNormalizer`.
    output : str
        "surprise", -log(1 - F), or "probability", F.

    Notes
    -----
    Cost: linear in the train normals, and one incomplete gamma function for each clip.

    References
    ----------
    Newton's method: T. Minka, "Estimating a Gamma distribution", 2002. The continued fraction: Abramowitz and Stegun,
    "Handbook of Mathematical Functions", 1964, 6.5.31.

    Examples
    --------
    z keeps rising where 1 - F is below the smallest number there is:

    >>> import asdcore, numpy as np
    >>> scores = np.random.default_rng(0).gamma(2.0, size=1000)
    >>> surprise = asdcore.load_normalizer("gamma").fit({"pooled": scores}, np.array(["source"] * 1000))
    >>> bool((np.diff(surprise.transform({"pooled": np.array([1.0, 1e3, 1e4])})) > 0).all())
    True
    """

    name = "gamma"

    _scales: Annotated[Mapping[str, GammaDistribution], LEARNED]
    outputs = ("surprise", "probability")

    def __init__(self, scope: str = "domain_min", output: str = "surprise", shrinkage: float = 10.0) -> None:
        super().__init__(scope, output, shrinkage)

    def to_onnx(self, scores: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the normalizer: {reference: score (1,)} -> z (1,)."""
        return written(self.transform, scores)

    def _scale(self, scores: Floats, which: str) -> GammaDistribution:
        return fit_gamma(*_moments(scores, which), which)

    def _target_scale(self, target: Floats, source: Floats) -> GammaDistribution:
        share, own, other = self._drawn(len(target)), _moments(target, "target"), _moments(source, "source")
        mean, log_mean = ((1.0 - share) * mine + share * theirs for mine, theirs in zip(own, other, strict=True))
        return fit_gamma(mean, log_mean, "target")


def fit_gamma(mean: float, log_mean: float, which: str) -> GammaDistribution:
    """Return the distribution of the greatest likelihood for scores of this mean and mean logarithm."""
    spread = math.log(mean) - log_mean
    if not spread > LEAST_SPREAD:
        raise DataError(
            f"the train-normal scores ({which}) are all the same, or nearly, so no gamma distribution fits them. "
            "Use ecdf or median_iqr."
        )
    shape = (3.0 - spread + math.sqrt((spread - 3.0) ** 2 + 24.0 * spread)) / (12.0 * spread)
    for _ in range(STEPS):
        gap = math.log(shape) - float(digamma(shape)) - spread
        after = 1.0 / (1.0 / shape + gap / (shape**2 * (1.0 / shape - float(polygamma(1, shape)))))
        if abs(after - shape) <= 1e-14 * shape:
            break
        shape = after
    return GammaDistribution(shape, mean / shape)


def _moments(scores: Floats, which: str) -> tuple[float, float]:
    """Mean and mean logarithm of scores (n,); raises DataError unless all are above 0."""
    if not (scores > 0).all():
        raise DataError(
            f"the {len(scores)} train-normal scores ({which}) go down to {float(np.min(scores)):g}; a gamma "
            "distribution needs scores above 0. Use gpd, ecdf or median_iqr."
        )
    return float(np.mean(scores)), float(np.mean(np.log(scores)))


def _log_upper(shape: float, x: float) -> float:
    """Return the logarithm of the upper incomplete gamma function over Gamma(shape), x > shape + 1: Lentz's method."""
    term = x + 1.0 - shape
    numerator, denominator = 1e300, 1.0 / term
    fraction = denominator
    for step in range(1, 100_000):
        factor, term = -step * (step - shape), term + 2.0
        denominator = 1.0 / (factor * denominator + term)
        numerator = term + factor / numerator
        change = numerator * denominator
        fraction *= change
        if abs(change - 1.0) < 1e-15:
            break
    return shape * math.log(x) - x - math.lgamma(shape) + math.log(fraction)
