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

from asdcore.errors import PortfolioError, did_you_mean
from asdcore.fusion.smooth_ecdf import SmoothEcdf

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
