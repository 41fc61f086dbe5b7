"""The incomplete gamma functions of one shape as plain arithmetic: sums of exponentials, for arrays or for ONNX.

SciPy chooses among series by the numbers that it is given, which a graph cannot. Here both are integrals that fall like
exponentials, summed by the trapezoidal rule at 161 points that lie doubly exponentially (Takahasi and Mori, "Double
exponential formulas for numerical integration", Publ. RIMS 9, 1974). With a the shape, up to x = a + 1 ::

    P(a, x) = x^a e^-x / Gamma(a) integral of exp(-a w + x (1 - e^-w)) over w from 0        t = x e^-w

and beyond, with 1 - P = Q,

    Q(a, x) = x^(a-1) e^-x / Gamma(a) integral of exp(-s) (1 + s / x)^(a-1) over s from 0   t = x + s

in whose logarithm nothing is too small for a number. Scale is what an integrand falls by: 1 / its slope at 0, or the
width of the bell that it is where the slope is small. Some parts in 10^11 are lost, 10^8 of a shape of 10^8.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_STEP = 1.0 / 16.0
_PLACE = _STEP * np.arange(-80.0, 81.0)
_AT = np.exp(_PLACE - np.exp(-_PLACE))
"""Where the integrands are taken, in scales."""
_WEIGHT = _STEP * _AT * (1.0 + np.exp(-_PLACE))

LEAST = 1e-300
"""Smaller x are taken for this one."""

LARGE = 1e3
"""A shape from which on Stirling's series has all digits."""


def lower_share(shape: float, x: Any) -> Any:
    """Return P(a, x) (1,) of x (1,), at least 0.

    Examples
    --------
    >>> lower_share(1.0, np.array([1.0])).round(6).tolist()
    [0.632121]
    """
    return np.where(x < shape + 1.0, _lower(shape, x), 1.0 - np.exp(_log_upper(shape, x)))


def log_upper_share(shape: float, x: Any) -> Any:
    """Return log Q(a, x) (1,) of x (1,), at least 0.

    Examples
    --------
    >>> log_upper_share(1.0, np.array([2000.0])).round(6).tolist()
    [-2000.0]
    """
    return np.where(x < shape + 1.0, np.log(1.0 - _lower(shape, x)), _log_upper(shape, x))


def _lower(shape: float, x: Any) -> Any:
    held = np.maximum(np.minimum(x, shape + 1.0), LEAST)
    scale = np.maximum(1.0 / shape, 1.0 / np.maximum(shape - held, np.sqrt(held)))
    w = scale * _AT
    terms = np.exp(held * (1.0 - np.exp(-w)) - shape * w) * _WEIGHT
    share = np.exp(_log_factor(shape, held)) * scale * terms.sum(0, keepdims=True)
    return np.where(x > 0.0, share, 0.0)


def _log_upper(shape: float, x: Any) -> Any:
    held = np.maximum(x, shape + 1.0)
    scale = np.minimum(1.0 / (1.0 - (shape - 1.0) / held), held / math.sqrt(max(shape - 1.0, 1.0)))
    s = scale * _AT
    terms = np.exp((shape - 1.0) * np.log(1.0 + s / held) - s) * _WEIGHT
    return _log_factor(shape, held) - np.log(held) + np.log(scale * terms.sum(0, keepdims=True))


def _log_factor(shape: float, x: Any) -> Any:
    """Return log(x^a e^-x / Gamma(a)), as how far it lies below its value at a: neither part is large there."""
    ratio = x / shape
    if shape < LARGE:
        top = shape * math.log(shape) - shape - math.lgamma(shape)
    else:
        top = 0.5 * math.log(shape / (2.0 * math.pi)) - 1.0 / (12.0 * shape) + 1.0 / (360.0 * shape**3)
    return shape * (np.log(ratio) - (ratio - 1.0)) + top
