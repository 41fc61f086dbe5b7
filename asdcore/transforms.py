"""Fixed monotonic score transforms phi, applied to a calibrated score z before fusion.

z (n_clips,) float64 -> phi(z) (n_clips,) float64, non-decreasing. Some are fixed formulas; the ``ecdf`` family reads
the cell's train-normal out-of-fold z, so a transform is first fitted on those and then applied to any clip alone.
phi is that of eq. (3) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly
detection", which leaves its choice open.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PortfolioError, did_you_mean

Floats = NDArray[np.float64]
Phi = Callable[[Floats], Floats]


def identity(normals: Floats) -> Phi:
    """z itself."""
    return lambda z: z.copy()


def clip(normals: Floats, *, low: float = -3.0, high: float = 8.0) -> Phi:
    """min(max(z, low), high): ties at both ends."""
    if not low < high:
        raise PortfolioError(f"clip needs low < high, not low={low}, high={high}.")
    return lambda z: np.clip(z, low, high)


def softplus(normals: Floats, *, beta: float = 1.0) -> Phi:
    """log(1 + exp(beta z)) / beta: flattens the normals, keeps the tail."""
    _positive(beta=beta)
    return lambda z: np.logaddexp(0.0, beta * z) / beta


def relu(normals: Floats) -> Phi:
    """max(z, 0): ties among the lower half of the normals."""
    return lambda z: np.maximum(z, 0.0)


def log1p(normals: Floats) -> Phi:
    """sign(z) log(1 + |z|): compresses outliers."""
    return lambda z: np.sign(z) * np.log1p(np.abs(z))


def asinh(normals: Floats, *, scale: float = 1.0) -> Phi:
    """asinh(z / scale): linear near 0, logarithmic far out."""
    _positive(scale=scale)
    return lambda z: np.arcsinh(z / scale)


def sigmoid(normals: Floats, *, centre: float = 2.0, width: float = 1.0) -> Phi:
    """1 / (1 + exp(-(z - centre) / width)); floating point ties clips beyond about 36 widths above the centre."""
    _finite(centre=centre)
    _positive(width=width)
    return lambda z: np.exp(-np.logaddexp(0.0, -(z - centre) / width))


def power(normals: Floats, *, gamma: float = 0.5) -> Phi:
    """sign(z) |z|**gamma."""
    _positive(gamma=gamma)
    return lambda z: np.sign(z) * np.abs(z) ** gamma


def ecdf(normals: Floats) -> Phi:
    """(#{normals < z} + half of #{normals = z}) / n: ties every clip above the highest normal."""
    ordered = np.sort(normals)

    def phi(z: Floats) -> Floats:
        return (np.searchsorted(ordered, z, "left") + np.searchsorted(ordered, z, "right")) / (2.0 * len(ordered))

    return phi


def ecdf_smooth(normals: Floats) -> Phi:
    """The smooth train-normal CDF of :class:`SmoothEcdf`, in (0, 1): never saturates."""
    return SmoothEcdf(normals).cdf


def neglogp(normals: Floats) -> Phi:
    """-log(1 - F(z)) with the smooth F: the evidence that Fisher's method adds up."""
    smooth = SmoothEcdf(normals)
    return lambda z: -np.log(smooth.survival(z))


def normal_score(normals: Floats) -> Phi:
    """The standard normal quantile of the smooth F(z): makes branches commensurable."""
    return SmoothEcdf(normals).normal_score


class SmoothEcdf:
    """A continuous, strictly increasing CDF through a sample of train normals.

    Piecewise linear through (s_(i), i / (n + 1)) for the sorted distinct sample (equal values share their mean rank);
    beyond the ends it approaches 0 and 1 as a hyperbola with the scale |end - median|, so it never saturates.
    """

    def __init__(self, normals: Floats) -> None:
        values, counts = np.unique(np.asarray(normals, np.float64), return_counts=True)
        if len(values) < 2:
            raise DataError(f"an empirical CDF needs at least 2 different train-normal scores, found {len(values)}")
        upper = np.cumsum(counts)
        self._values = values
        self._rank = (upper - (counts - 1) / 2) / (counts.sum() + 1)
        median = float(np.median(normals))
        spread = values[-1] - values[0]
        # With half of the sample at one end its distance to the median is nothing; the spread then sets the scale.
        self._low_scale, self._high_scale = (
            distance if distance > 1e-9 * spread else spread for distance in (median - values[0], values[-1] - median)
        )

    def cdf(self, scores: Floats) -> Floats:
        """F(s) in (0, 1)."""
        return self._sides(scores)[0]

    def survival(self, scores: Floats) -> Floats:
        """1 - F(s) in (0, 1), precise in the upper tail."""
        return self._sides(scores)[1]

    def normal_score(self, scores: Floats) -> Floats:
        """The standard normal quantile of F(s), finite and increasing in both tails."""
        from scipy.special import ndtri

        below, above = self._sides(scores)
        quantile: Floats = np.where(below > 0.5, -ndtri(above), ndtri(below))
        return quantile

    def _sides(self, scores: Floats) -> tuple[Floats, Floats]:
        """F and 1 - F of scores (n,), each computed on the side where it is small."""
        scores = np.asarray(scores, np.float64)
        inside = self._inside(scores)
        under = np.maximum(self._values[0] - scores, 0.0)
        over = np.maximum(scores - self._values[-1], 0.0)
        low = self._rank[0] * (self._low_scale / (under + self._low_scale))
        high = (1.0 - self._rank[-1]) * (self._high_scale / (over + self._high_scale))
        below = np.where(under > 0, low, inside)
        return np.where(over > 0, 1.0 - high, below), np.where(over > 0, high, 1.0 - below)

    def _inside(self, scores: Floats) -> Floats:
        """Linear interpolation, held at the ends."""
        held = np.clip(scores, self._values[0], self._values[-1])
        left = np.minimum(np.searchsorted(self._values, held, "right") - 1, len(self._values) - 2)
        start, end = self._values[left], self._values[left + 1]
        share = (held - start) / (end - start)
        low, high = self._rank[left], self._rank[left + 1]
        inside: Floats = low + share * (high - low)
        return inside


TRANSFORMS: dict[str, Callable[..., Phi]] = {
    "asinh": asinh,
    "clip": clip,
    "ecdf": ecdf,
    "ecdf_smooth": ecdf_smooth,
    "identity": identity,
    "log1p": log1p,
    "neglogp": neglogp,
    "normal_score": normal_score,
    "power": power,
    "relu": relu,
    "sigmoid": sigmoid,
    "softplus": softplus,
}


def check_transform(name: str, parameters: dict[str, Any]) -> None:
    """Raise PortfolioError where no transform has this name or takes these parameters."""
    try:
        fit_transform(name, parameters, np.array([0.0, 1.0, 2.0]))
    except (OverflowError, ValueError) as error:
        raise PortfolioError(f"Transform {name!r} refuses its parameters {parameters}: {error}") from error


def fit_transform(name: str, parameters: dict[str, Any], normals: Floats) -> Phi:
    """Fit a transform on the train-normal out-of-fold z of one cell and branch."""
    if name not in TRANSFORMS:
        raise PortfolioError(f"No transform is named {name!r}. {did_you_mean(name, TRANSFORMS)}")
    accepted = list(inspect.signature(TRANSFORMS[name]).parameters)[1:]
    for key in parameters:
        if key not in accepted:
            raise PortfolioError(f"Transform {name!r} takes no parameter {key!r}. {did_you_mean(key, accepted)}")
    try:
        return TRANSFORMS[name](normals, **parameters)
    except TypeError as error:
        raise PortfolioError(f"Transform {name!r} refuses its parameters {parameters}: {error}") from error


def _positive(**values: float) -> None:
    _finite(**values)
    for name, value in values.items():
        if not value > 0:
            raise PortfolioError(f"{name} must be above 0, not {value}.")


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise PortfolioError(f"{name} must be a finite number, not {value}.")
