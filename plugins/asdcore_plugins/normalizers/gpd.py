"""The normalizer ``gpd``: the train-normal CDF with a tail that extreme value theory describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from asdcore import DataError, OnnxValue, SmoothEcdf
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution
from asdcore_plugins.normalizers.bases.location_scale import shrunk
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import median_iqr, small_sample_iqr
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import check_quantiles

FEWEST = 10
"""Train normals that a tail is fitted to, at least."""


@dataclass(frozen=True)
class ParetoTail(Learned):
    """A smooth CDF up to where the tail starts, a generalized Pareto tail of some shape and scale above it."""

    start: Number
    body: Annotated[SmoothEcdf, LEARNED]
    log_share: Number
    shape: Number
    scale: Number

    @classmethod
    def of(cls, normals: Floats, threshold: float, which: str) -> ParetoTail:
        """Return that of train normals (n,), its tail starting at their quantile ``threshold``."""
        start = float(np.quantile(normals, threshold))
        over = np.sort(normals[normals > start]) - start
        if len(over) < FEWEST:
            raise DataError(
                f"{len(over)} of the {len(normals)} train-normal scores ({which}) lie above their quantile "
                f"{threshold}; a tail needs {FEWEST}. Choose a lower threshold, or ecdf."
            )
        body = SmoothEcdf(normals)
        return cls(start, body, float(np.log(body.survival(np.array([start]))[0])), *pareto_moments(over))

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        below: Floats = np.where(scores > self.start, -np.expm1(self._tail(scores)), self.body.cdf(scores))
        return below

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        above: Floats = np.where(scores > self.start, self._tail(scores), np.log(self.body.survival(scores)))
        return above

    def _tail(self, scores: Floats) -> Floats:
        """Return log(1 - F) of the tail (n_clips,), held at its start."""
        over = np.maximum(scores - self.start, 0.0) / self.scale
        falls: Floats = over if self.shape == 0 else np.log1p(self.shape * over) / self.shape
        return self.log_share - falls


@dataclass(frozen=True)
class Moved(Learned):
    """A distribution for scores at another location and scale: it is read at (s - here) * ratio + there."""

    distribution: Annotated[ParetoTail, LEARNED]
    here: Number = 0.0
    ratio: Number = 1.0
    there: Number = 0.0

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        return self.distribution.below(self._moved(scores))

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        return self.distribution.log_above(self._moved(scores))

    def _moved(self, scores: Floats) -> Floats:
        return (scores - self.here) * self.ratio + self.there


class Gpd(ByDistribution):
    """The smooth train-normal CDF with a generalized Pareto tail: z = -log(1 - F), its normal quantile, or F.

    Up to the ``threshold`` quantile u of the train normals F is the smooth CDF (see ``ecdf``). Above it the excess
    follows a generalized Pareto distribution::

        1 - F(s) = (1 - F(u)) (1 + xi (s - u) / beta)^(-1 / xi)          s > u

    xi and beta come from the probability-weighted moments of the excesses: closed forms, so the fit never fails. A
    negative xi would end the tail and leave clips beyond its end with no finite z. It is held at 0, the exponential
    tail of the mean excess.

    Ten target clips have no tail of their own: beside source clips the target has the source's shape, at its own
    location and scale. Its scores are mapped by the medians and IQRs of both domains, the target's drawn toward the
    source's as in ``median_iqr``, and read on the source's curve.

    Parameters
    ----------
    scope, output, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.by_distribution.ByDistribution`.
    threshold : float
        The quantile at which the tail begins, in (0, 1); at least 10 train normals must lie above it.

    Notes
    -----
    Cost: one sort of the train normals, and a search among them for each clip.

    References
    ----------
    Pickands 1975, "Statistical inference using extreme order statistics", Annals of Statistics 3.
    Hosking and Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 29,
    1987.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> normals = {"pooled": np.arange(100.0)}
    >>> pareto = asdcore.load_normalizer("gpd", output="probability").fit(normals, np.array(["source"] * 100))
    >>> pareto.transform({"pooled": np.array([49.5, 99.0, 1000.0])}).round(2)
    array([0.5 , 0.98, 1.  ])
    """

    name = "gpd"

    _scales: Annotated[Mapping[str, Moved], LEARNED]

    def __init__(
        self, scope: str = "pooled", output: str = "surprise", threshold: float = 0.85, shrinkage: float = 10.0
    ) -> None:
        super().__init__(scope, output, shrinkage)
        check_quantiles(threshold=threshold)
        self._threshold = threshold

    def to_onnx(self, scores: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the normalizer: {reference: score (1,)} -> z (1,)."""
        return written(self.transform, scores)

    def _scale(self, scores: Floats, which: str) -> Moved:
        return Moved(ParetoTail.of(scores, self._threshold, which))

    def _target_scale(self, target: Floats, source: Floats) -> Moved:
        tail, there = ParetoTail.of(source, self._threshold, "source"), median_iqr(source, "source")
        own = median_iqr(target, "target")
        here = shrunk(len(target), own, there, small_sample_iqr(len(target)), self._shrinkage)
        return Moved(tail, here[0], there[1] / here[1], there[0])


def pareto_moments(over: Floats) -> tuple[float, float]:
    """Sorted excesses (n,) > 0 -> (xi >= 0, beta) of their probability-weighted moments."""
    n = len(over)
    mean = float(np.mean(over))
    # The mean of (1 - F) times the excess, 1 - F of the i-th being (n - i) / (n - 1).
    weighted = float(np.mean(over * (n - 1 - np.arange(n)) / (n - 1)))
    apart = mean - 2.0 * weighted
    if not (apart > 0 and mean < 2.0 * apart):
        return 0.0, mean
    return 2.0 - mean / apart, 2.0 * mean * weighted / apart
