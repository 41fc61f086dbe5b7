"""Intervals of AUCs in closed form, without resampling: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988.

An AUC is the mean, over anomalies, of the share V10 of normals below an anomaly, and likewise, over normals, of the
share V01 of anomalies above a normal (their eqs. 4 and 5). Its variance is var(V10) / m + var(V01) / n for m anomalies
and n normals, and covariances of V10 and V01 give that of two systems on the same clips. Shares are counted by ranks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import auc
from asdcore.evidence.uncertainty.interval import NORMAL, Interval, check_level

Floats = NDArray[np.float64]


def delong(scores: ArrayLike, labels: ArrayLike, level: float = 0.95) -> Interval:
    """Compute an AUC with DeLong's interval, cut off at 0 and 1.

    Parameters
    ----------
    scores, labels : array_like, shape (n_clips,)
        As :func:`asdcore.evidence.roc.auc`.
    level : float, default 0.95
        In (0, 1).

    Returns
    -------
    Interval
        The AUC with its interval.

    Raises
    ------
    EvaluationError
        If a class has fewer than two clips, too few for a variance.

    References
    ----------
    E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, "Comparing the areas under two or more correlated
    receiver operating characteristic curves: a nonparametric approach", Biometrics 44, 1988, eqs. (4), (5).

    Examples
    --------
    >>> interval = delong([1.0, 2.0, 3.0, 4.0, 2.5, 5.0], [0, 0, 0, 1, 1, 1])
    >>> round(interval.estimate, 4), round(interval.low, 4), round(interval.high, 4)
    (0.8889, 0.5809, 1.0)

    """
    check_level(level)
    estimate = auc(scores, labels)
    half = NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(_variance(*_components(scores, labels)))
    return Interval(estimate, max(estimate - half, 0.0), min(estimate + half, 1.0), "delong", level)


def delong_difference(
    first: ArrayLike, second: ArrayLike, labels: ArrayLike, level: float = 0.95
) -> tuple[Interval, float]:
    """Compute the difference of two systems' AUCs on the same clips, with DeLong's interval and p-value.

    Parameters
    ----------
    first, second : array_like of float, shape (n_clips,)
        The scores of both systems, clip by clip.
    labels, level
        As :func:`delong`.

    Returns
    -------
    difference : Interval
        The AUC of the first less that of the second, in [-1, 1].
    p : float
        Two-sided, for equal AUCs; 1 if both systems rank every clip alike.

    References
    ----------
    As :func:`delong`.

    Examples
    --------
    >>> difference, p = delong_difference([1, 2, 3, 4, 5, 6], [1, 2, 6, 4, 5, 3], [0, 0, 0, 1, 1, 1])
    >>> round(difference.estimate, 4), round(p, 4)
    (0.3333, 0.3173)

    """
    check_level(level)
    estimate = auc(first, labels) - auc(second, labels)
    (of_anomalies, of_normals), (others, other_normals) = _components(first, labels), _components(second, labels)
    error = math.sqrt(_variance(of_anomalies - others, of_normals - other_normals))
    half = NORMAL.inv_cdf((1 + level) / 2) * error
    p = 2 * NORMAL.cdf(-abs(estimate) / error) if error > 0 else float(estimate == 0)
    return Interval(estimate, max(estimate - half, -1.0), min(estimate + half, 1.0), "delong", level), p


def _components(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """(n_clips,) twice -> V10 (m,): share of normals below each anomaly; V01 (n,): share of anomalies above each."""
    values, anomalous = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
    anomalies, normals = values[anomalous], values[~anomalous]
    if min(len(anomalies), len(normals)) < 2:
        raise EvaluationError(
            f"The error of an AUC needs two clips of each class; found {len(normals)} normal and "
            f"{len(anomalies)} anomalous."
        )
    return _share_below(anomalies, normals), 1 - _share_below(normals, anomalies)


def _share_below(values: Floats, others: Floats) -> Floats:
    """(k,), (n,) -> the share of the others below each value, ties counting half."""
    ordered = np.sort(others)
    twice = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return twice / (2 * len(others))


def _variance(of_anomalies: Floats, of_normals: Floats) -> float:
    """Return the variance of an AUC, or of a difference of AUCs, from its components or their differences."""
    return float(of_anomalies.var(ddof=1) / len(of_anomalies) + of_normals.var(ddof=1) / len(of_normals))
