"""Intervals around an estimate, and the ways to compute them from resampled values.

percentile : the middle of the bootstrap replicates (Efron 1981).
bca : the same, with its ends shifted for the bias and the skewness of the estimate: bias corrected and accelerated
    (Efron 1987). The acceleration is that of samples drawn in strata, from leaving out one clip at a time (Davison and
    Hinkley 1997, section 5.3): with U_ij = (n_i - 1) (mean_j theta_ij - theta_ij) for clip j of stratum i,
    a = sum_ij U_ij^3 / n_i^3 / (6 (sum_ij U_ij^2 / n_i^2)^(3/2)).
jackknife : from leaving out one machine at a time, with Student's t of one degree of freedom fewer than machines.
delong : see :mod:`asdcore.evidence.uncertainty.delong`.
trials : over trials and clips, see :mod:`asdcore.evidence.uncertainty.trial_pairs`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import EvaluationError
from asdcore.evidence.uncertainty.resample import Indices, Stratum, units
from asdcore.evidence.uncertainty.student import student_quantile

Floats = NDArray[np.float64]
Method = Literal["percentile", "bca", "jackknife", "delong", "trials"]
NORMAL = NormalDist()


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval that covers the true value in a share ``level`` of repetitions.

    Scores are fractions in [0, 1], differences lie in [-1, 1]. An estimate at the end of its range, such as an AUC of
    1, has an interval of zero width by every method but the jackknife, since no resampled value differs from it.
    """

    estimate: float
    low: float
    high: float
    method: Method
    level: float = 0.95

    def as_json(self) -> list[float]:
        """Return [low, high]."""
        return [self.low, self.high]


def check_level(level: float) -> None:
    """Raise unless ``level`` is a share."""
    if not 0 < level < 1:
        raise EvaluationError(f"level is {level}; it must lie between 0 and 1, such as 0.95.")


def percentile(estimate: float, replicates: Floats, level: float) -> Interval:
    """Bootstrap replicates (n,) of an estimate -> the quantiles that leave half of 1 - level outside on either side."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), "percentile", level)


def bca(estimate: float, replicates: Floats, acceleration: float, level: float) -> Interval:
    """Bootstrap replicates (n,) of an estimate -> the quantiles corrected for bias and skewness (Efron 1987, eq. 4.1).

    A replicate as large as the estimate counts half below it: AUCs of few clips take few values. If all lie on one
    side, the bias is that of half a replicate on the other side.
    """
    n = len(replicates)
    below = float(np.sum(replicates < estimate) + np.sum(replicates == estimate) / 2)
    bias = NORMAL.inv_cdf(min(max(below, 0.5), n - 0.5) / n)
    shares = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        z = bias + NORMAL.inv_cdf(share)
        # |acceleration| is at most 1/6, so this reaches 0 only for |z| > 6, where the quantile is the last one anyway.
        shares.append(NORMAL.cdf(bias + z / max(1 - acceleration * z, 1e-9)))
    low, high = np.quantile(replicates, shares)
    return Interval(estimate, float(low), float(high), "bca", level)


def acceleration(left_out: Floats, strata: Sequence[Stratum], recordings: Indices | None = None) -> float:
    """Estimates with each clip left out (n_clips,), the clips of each stratum -> the acceleration of :func:`bca`.

    recordings : of the clips; those of one are left out together and count once.
    """
    square = cube = 0.0
    for _, clips in strata:
        without = left_out[clips[np.unique(units(clips, recordings), return_index=True)[1]]]
        n = len(without)
        deviation = (n - 1) * (without.mean() - without) / n
        square += float(np.sum(deviation**2))
        cube += float(np.sum(deviation**3))
    return cube / (6 * square**1.5) if square > 0 else 0.0


def jackknife(estimate: float, left_out: Floats, level: float) -> Interval:
    """Estimates with each of k machines left out (k,) -> estimate -+ t_(k-1) standard errors, within [0, 1]."""
    k = len(left_out)
    error = math.sqrt((k - 1) / k * float(np.sum((left_out - left_out.mean()) ** 2)))
    half = student_quantile((1 + level) / 2, k - 1) * error
    return Interval(estimate, max(estimate - half, 0.0), min(estimate + half, 1.0), "jackknife", level)
