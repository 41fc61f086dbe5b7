"""Quantiles and angles as ONNX, in float64: of the operators that every runtime has for it, these are made up.

The standard normal quantile is algorithm AS 241, PPND16 (M. J. Wichura, "The Percentage Points of the Normal
Distribution", Applied Statistics 37, 1988): three quotients of polynomials, one part in 10^16 off for any p that is not
below 1e-316. Its tails read log p alone. So the quantile of a logarithm is the same one, and goes on below 1e-293 by
the asymptotic series of the tail (Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.2.12).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

CENTRE = 0.425
"""So far from 1/2 p is at most in the central quotient."""

MIDDLE, END = 5.0, 26.0
"""sqrt(-log p) up to which the second and the third quotient are taken; the paper vouches for the third up to 27."""

# Coefficients of a numerator and a denominator, the highest power first, as the paper prints them.
CENTRAL = (
    [
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080,
    ],
    [
        5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
        5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0,
    ],
)  # fmt: skip
NEAR = (
    [
        7.7454501427834140764e-4, 2.27238449892691845833e-2, 0.241780725177450611770, 1.27045825245236838258,
        3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734,
    ],
    [
        1.05075007164441684324e-9, 5.4759380849953449460e-4, 1.51986665636164571966e-2, 0.148103976427480074590,
        0.689767334985100004550, 1.67638483018380384940, 2.05319162663775882187, 1.0,
    ],
)  # fmt: skip
FAR = (
    [
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        0.296560571828504891230, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720,
    ],
    [
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 0.136929880922735805310, 0.599832206555887937690, 1.0,
    ],
)  # fmt: skip


def normal_quantile(p: Any) -> Any:
    """p in [0, 1] -> the standard normal quantile; minus infinity of 0, infinity of 1, NaN outside."""
    offset = p - 0.5
    held = offset.op("Max", -CENTRE).op("Min", CENTRE)
    central = held * _quotient(CENTRE**2 - held * held, CENTRAL)
    smaller = p.op("Min", 1.0 - p)
    beyond = offset.op("Sign") * -_tail((smaller > 0.0).op("Where", smaller, np.finfo(np.float64).tiny).op("Log"))
    beyond = (smaller > 0.0).op("Where", beyond, offset / (smaller * 0.0))
    quantile = (abs(offset) <= CENTRE).op("Where", central, beyond)
    return (smaller >= 0.0).op("Where", quantile, np.nan)


def normal_quantile_of_log(log_p: Any) -> Any:
    """Log p, at most 0 -> the standard normal quantile of p, also where p is below the smallest number there is."""
    below = normal_quantile(log_p.op("Exp"))
    above = -normal_quantile(-_expm1(log_p))
    return (log_p > -0.01).op("Where", above, (log_p < np.log(0.5 - CENTRE)).op("Where", _tail(log_p), below))


def arctan2(y: Any, x: Any) -> Any:
    """Return the angle of the point (x, y), in [-pi, pi]; 0 of the origin. The sign of a zero does not count."""
    high, wide = abs(y), abs(x)
    slope = high.op("Min", wide) / high.op("Max", wide).op("Max", np.finfo(np.float64).tiny)
    # The operator takes float32 alone; one step of Newton's method squares its error.
    angle = slope.astype(np.float32).op("Atan").astype(np.float64)
    cosine = 1.0 - 2.0 * (angle * 0.5).op("Sin") ** 2.0
    angle = angle - (angle.op("Sin") - slope * cosine) * cosine
    angle = (high > wide).op("Where", np.pi / 2 - angle, angle)
    angle = (x < 0.0).op("Where", np.pi - angle, angle)
    return (y < 0.0).op("Where", -angle, angle)


def tangent(x: Any) -> Any:
    """sin x / cos x; ONNX's own operator takes float32 alone, and so does its cosine in older runtimes."""
    return x.op("Sin") / (1.0 - 2.0 * (x * 0.5).op("Sin") ** 2.0)


def _tail(log_p: Any) -> Any:
    """Log p of p below 0.075 -> its quantile."""
    root = (-log_p).op("Max", 0.0).op("Sqrt")
    near = _quotient(root.op("Min", MIDDLE) - 1.6, NEAR)
    far = _quotient(root.op("Min", END) - MIDDLE, FAR)
    size = (root <= MIDDLE).op("Where", near, (root <= END).op("Where", far, _asymptotic(root.op("Max", END))))
    return -size


def _asymptotic(root: Any) -> Any:
    """x for which log(density(x) / x (1 - x^-2 + 3 x^-4 - 15 x^-6 + 105 x^-8)) is -root^2, step by step."""
    target = 2.0 * root * root - np.log(2.0 * np.pi)
    x = np.sqrt(2.0) * root
    for _ in range(5):
        inverse = 1.0 / (x * x)
        series = 1.0 - inverse * (1.0 - inverse * (3.0 - inverse * (15.0 - 105.0 * inverse)))
        x = (target + 2.0 * (series / x).op("Log")).op("Sqrt")
    return x


def _quotient(x: Any, coefficients: tuple[Sequence[float], Sequence[float]]) -> Any:
    """Return the quotient of two polynomials."""
    numerator, denominator = (reduce(lambda sum_, c: sum_ * x + c, more, first) for first, *more in coefficients)
    return numerator / denominator


def _expm1(x: Any) -> Any:
    """Exp x - 1 of x in [-0.01, 0], to the last bits: the first six terms of its series."""
    held = x.op("Max", -0.01)
    return held * reduce(lambda sum_, k: 1.0 + held * sum_ / k, (7.0, 6.0, 5.0, 4.0, 3.0, 2.0), 1.0)
