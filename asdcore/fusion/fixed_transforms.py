"""Transforms phi with a fixed formula: they ignore the train normals that others are fitted on.

z (n_clips,) float64 -> phi(z) (n_clips,) float64, non-decreasing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import PortfolioError

Floats = NDArray[np.float64]
Phi = Callable[[Floats], Floats]


def identity(normals: Floats) -> Phi:
    """z itself.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: z is already on the scale of the normals.

    Returns
    -------
    callable
        z (n_clips,) -> z (n_clips,).

    Examples
    --------
    >>> identity(np.array([0.0]))(np.array([-1.0, 2.0])).tolist()
    [-1.0, 2.0]

    """
    return lambda z: z.copy()


def clip(normals: Floats, *, low: float = -3.0, high: float = 8.0) -> Phi:
    """min(max(z, low), high): ties at both ends.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: the ends are fixed.
    low, high : float
        The ends, low < high.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), in [low, high].

    Raises
    ------
    PortfolioError
        Unless low < high.

    Examples
    --------
    >>> clip(np.array([0.0]), low=-1.0, high=1.0)(np.array([-2.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]

    """
    if not low < high:
        raise PortfolioError(f"clip needs low < high, not low={low}, high={high}.")
    return lambda z: np.clip(z, low, high)


def softplus(normals: Floats, *, beta: float = 1.0) -> Phi:
    """log(1 + exp(beta z)) / beta: flattens the normals, keeps the tail.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: the bend lies at z = 0, the median of the normals.
    beta : float
        Above 0. The larger, the sharper the bend at 0.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), above 0.

    Raises
    ------
    PortfolioError
        Unless beta is finite and above 0.

    Examples
    --------
    >>> softplus(np.array([0.0]))(np.array([0.0, 50.0])).round(3).tolist()
    [0.693, 50.0]

    """
    _positive(beta=beta)
    return lambda z: np.logaddexp(0.0, beta * z) / beta


def relu(normals: Floats) -> Phi:
    """max(z, 0): ties among the lower half of the normals.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: the cut lies at z = 0.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), at least 0.

    Examples
    --------
    >>> relu(np.array([0.0]))(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]

    """
    return lambda z: np.maximum(z, 0.0)


def log1p(normals: Floats) -> Phi:
    """sign(z) log(1 + |z|): compresses outliers.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: z = 0 stays 0.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), never farther from 0 than z.

    Examples
    --------
    >>> log1p(np.array([0.0]))(np.array([-9.0, 0.0, 99.0])).round(3).tolist()
    [-2.303, 0.0, 4.605]

    """
    return lambda z: np.sign(z) * np.log1p(np.abs(z))


def asinh(normals: Floats, *, scale: float = 1.0) -> Phi:
    """asinh(z / scale): linear near 0, logarithmic far out.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: ``scale`` is fixed.
    scale : float
        Above 0. About where the line bends.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), about z / scale near 0.

    Raises
    ------
    PortfolioError
        Unless scale is finite and above 0.

    Examples
    --------
    >>> asinh(np.array([0.0]), scale=10.0)(np.array([0.1, 1000.0])).round(3).tolist()
    [0.01, 5.298]

    """
    _positive(scale=scale)
    return lambda z: np.arcsinh(z / scale)


def sigmoid(normals: Floats, *, centre: float = 2.0, width: float = 1.0) -> Phi:
    """1 / (1 + exp(-(z - centre) / width)); floating point ties clips beyond about 36 widths above the centre.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: ``centre`` and ``width`` are fixed.
    centre : float
        The z whose phi is 0.5.
    width : float
        Above 0.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), in [0, 1].

    Raises
    ------
    PortfolioError
        Unless both are finite and width is above 0.

    Examples
    --------
    >>> sigmoid(np.array([0.0]))(np.array([2.0, 4.0])).round(3).tolist()
    [0.5, 0.881]

    """
    _finite(centre=centre)
    _positive(width=width)
    return lambda z: np.exp(-np.logaddexp(0.0, -(z - centre) / width))


def power(normals: Floats, *, gamma: float = 0.5) -> Phi:
    """sign(z) |z|**gamma.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Not used: ``gamma`` is fixed.
    gamma : float
        Above 0. Below 1 it compresses outliers, above 1 it stretches them.

    Returns
    -------
    callable
        z (n_clips,) -> phi (n_clips,), with the sign of z.

    Raises
    ------
    PortfolioError
        Unless gamma is finite and above 0.

    Examples
    --------
    >>> power(np.array([0.0]))(np.array([-4.0, 9.0])).tolist()
    [-2.0, 3.0]

    """
    _positive(gamma=gamma)
    return lambda z: np.sign(z) * np.abs(z) ** gamma


def _positive(**values: float) -> None:
    _finite(**values)
    for name, value in values.items():
        if not value > 0:
            raise PortfolioError(f"{name} must be above 0, not {value}.")


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise PortfolioError(f"{name} must be a finite number, not {value}.")
