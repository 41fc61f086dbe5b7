"""Monotonic score transforms phi, applied to a calibrated score z before fusion.

z (n_clips,) float64 -> phi(z) (n_clips,) float64, non-decreasing. Some are fixed formulas
(:mod:`asdcore.fusion.fixed_transforms`). The ``ecdf`` family reads the cell's out-of-fold z of train normals. So a
transform is first fitted on those and then applied to any clip alone.

phi is that of eq. (3) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly
detection", which leaves its choice open.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from asdcore.errors import PortfolioError, did_you_mean
from asdcore.fusion.fixed_transforms import (
    Floats,
    Phi,
    asinh,
    clip,
    identity,
    log1p,
    power,
    relu,
    sigmoid,
    softplus,
)
from asdcore.fusion.smooth_ecdf import SmoothEcdf

__all__ = ["TRANSFORMS", "check_transform", "ecdf", "ecdf_smooth", "fit_transform", "neglogp", "normal_score"]


def ecdf(normals: Floats) -> Phi:
    """(#{normals < z} + half of #{normals = z}) / n: ties every clip above the highest normal.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Out-of-fold z of the train normals of one cell and branch.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), in [0, 1].

    Examples
    --------
    >>> ecdf(np.array([0.0, 1.0, 2.0, 3.0]))(np.array([-1.0, 1.0, 9.0])).tolist()
    [0.0, 0.375, 1.0]

    """
    ordered = np.sort(normals)

    def phi(z: Floats) -> Floats:
        return (np.searchsorted(ordered, z, "left") + np.searchsorted(ordered, z, "right")) / (2.0 * len(ordered))

    return phi


def ecdf_smooth(normals: Floats) -> Phi:
    """The smooth train-normal CDF of :class:`SmoothEcdf`, in (0, 1): never saturates.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Out-of-fold z of train normals, at least two of them different.

    Returns
    -------
    callable
        z (n_clips,) -> F(z) (n_clips,), in (0, 1).

    Raises
    ------
    DataError
        If all normals are the same, so that there is no curve.

    Examples
    --------
    >>> ecdf_smooth(np.array([0.0, 1.0, 2.0]))(np.array([1.0, 2.0])).tolist()
    [0.5, 0.75]

    """
    return SmoothEcdf(normals).cdf


def neglogp(normals: Floats) -> Phi:
    """-log(1 - F(z)) with the smooth F: the evidence that Fisher's method adds up.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Out-of-fold z of train normals, to which F is fitted.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), above 0 and without limit.

    Raises
    ------
    DataError
        As :func:`ecdf_smooth`.

    References
    ----------
    R. A. Fisher, *Statistical Methods for Research Workers*, 4th ed., 1932, section 21.1.

    Examples
    --------
    >>> neglogp(np.array([0.0, 1.0, 2.0]))(np.array([1.0, 2.0])).round(3).tolist()
    [0.693, 1.386]

    """
    smooth = SmoothEcdf(normals)
    return lambda z: -np.log(smooth.survival(z))


def normal_score(normals: Floats) -> Phi:
    """The standard normal quantile of the smooth F(z): makes branches commensurable.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Out-of-fold z of train normals. Their median gets the score 0.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), finite in both tails.

    Raises
    ------
    DataError
        Unless two normals differ.

    Examples
    --------
    >>> normal_score(np.array([0.0, 1.0, 2.0]))(np.array([0.0, 2.0])).round(3).tolist()
    [-0.674, 0.674]

    """
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
    """Check that a transform of this name takes these parameters.

    Parameters
    ----------
    name, parameters
        As :func:`fit_transform`.

    Raises
    ------
    PortfolioError
        If it does not, or if no transform has this name.

    Examples
    --------
    >>> check_transform("clip", {"low": 0.0, "high": 1.0})

    """
    try:
        fit_transform(name, parameters, np.array([0.0, 1.0, 2.0]))
    except (OverflowError, ValueError) as error:
        raise PortfolioError(f"Transform {name!r} refuses its parameters {parameters}: {error}") from error


def fit_transform(name: str, parameters: dict[str, Any], normals: Floats) -> Phi:
    """Fit a transform on the train normals of one cell and branch.

    Parameters
    ----------
    name : str
        One of :data:`TRANSFORMS`.
    parameters : dict of str to Any
        As a portfolio gives them.
    normals : ndarray of float64, shape (n,)
        Out-of-fold z of the train normals.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), non-decreasing.

    Raises
    ------
    PortfolioError
        If there is no such transform, or it refuses a parameter.

    Examples
    --------
    >>> phi = fit_transform("log1p", {}, np.array([-1.0, 0.0, 1.0]))
    >>> phi(np.array([0.0, 99.0])).round(3).tolist()
    [0.0, 4.605]

    """
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
