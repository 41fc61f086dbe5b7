"""Sums, extremes and combined p-values of the branches: one formula each, for weights or for all branches alike."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from asdcore.errors import PortfolioError
from asdcore.fusion.smooth_ecdf import SmoothEcdf
from asdcore.fusion.train_normals import Columns, Floats, Fuse, Normals, added, moments


def weighted_sum(normals: Normals) -> Fuse:
    """sum_b w_b phi_b."""
    return lambda phi: added(normals.weights, phi)


def stouffer(normals: Normals) -> Fuse:
    """sum w n / sqrt(sum w^2) (Stouffer et al. 1949; Lipták 1958): standard normal for independent branches."""
    scale = float(np.sqrt(sum(weight**2 for weight in normals.weights.values())))
    total = normals.sum_of(SmoothEcdf.normal_score)
    return lambda phi: total(phi) / scale


def fisher(normals: Normals) -> Fuse:
    """-2 sum w log p (Fisher 1932; with weights, Good 1955): one very unlikely branch is enough."""
    total = normals.sum_of(lambda curve, values: np.log(curve.survival(values)))
    return lambda phi: -2.0 * total(phi)


def cauchy(normals: Normals) -> Fuse:
    """-log of the p-value of sum w cot(pi p) / sum w (Liu and Xie 2020): holds up under dependence of the branches."""
    weight, total = sum(normals.weights.values()), normals.sum_of(_cotangent)

    def fuse(phi: Columns) -> Floats:
        statistic = total(phi) / weight
        # The upper tail of the Cauchy distribution, precise where it is small.
        result: Floats = -np.log(np.arctan2(1.0, statistic) / np.pi)
        return result

    return fuse


def harmonic(normals: Normals) -> Fuse:
    """-log of the harmonic mean p-value sum w / sum(w / p) (Wilson 2019)."""
    weight = sum(normals.weights.values())
    total = normals.sum_of(lambda curve, values: 1.0 / curve.survival(values))
    return lambda phi: np.log(total(phi) / weight)


def zmin(normals: Normals) -> Fuse:
    """The smallest (phi - mean) / deviation over the branches, by the train normals of each (arXiv 2606.19269)."""
    scales = {branch: moments(normals.phi, branch) for branch in normals.weights}
    return lambda phi: reduce(np.minimum, [(phi[branch] - mean) / spread for branch, (mean, spread) in scales.items()])


def maximum(normals: Normals) -> Fuse:
    """The largest phi over the branches."""
    return lambda phi: reduce(np.maximum, [phi[branch] for branch in normals.weights])


def median(normals: Normals) -> Fuse:
    """The median phi over the branches, the mean of the middle two of an even number."""
    middle = len(normals.weights) // 2, (len(normals.weights) - 1) // 2

    def fuse(phi: Columns) -> Floats:
        ordered = np.sort(np.stack([phi[branch] for branch in normals.weights]), 0)
        result: Floats = np.take(ordered, middle[0], 0) / 2 + np.take(ordered, middle[1], 0) / 2
        return result

    return fuse


def trimmed_mean(normals: Normals, share: float = 0.2) -> Fuse:
    """The mean phi without the ``share`` largest and smallest of the branches (Tukey and McLaughlin 1963).

    Of k branches ``share`` k are left out at either end, rounded down: one branch that goes astray does no harm, and
    more than one still counts. Without any to leave out it would be a mean, and is refused.
    """
    n_branches = len(normals.weights)
    # A third of three is one, although a product of floats may come out below it.
    left_out = min(int(share * n_branches + 1e-9), (n_branches - 1) // 2)
    if not 0 <= share < 0.5:
        raise PortfolioError(f"share must lie between 0 and 1 / 2, not at {share}.")
    if left_out == 0:
        least = math.ceil(100 / n_branches) / 100
        few = "give 1.0 to 3 branches or more" if n_branches < 3 else f"give a share of at least {least}"
        raise PortfolioError(f"share = {share} of {n_branches} branches leaves none out: {few}, or take fusion 'sum'.")

    def fuse(phi: Columns) -> Floats:
        ordered = np.sort(np.stack([phi[branch] for branch in normals.weights]), 0)
        kept = range(left_out, n_branches - left_out)
        result: Floats = reduce(np.add, [np.take(ordered, place, 0) for place in kept]) / len(kept)
        return result

    return fuse


def _cotangent(curve: SmoothEcdf, values: Floats) -> Floats:
    """cot(pi p), from the smaller of p and F: so it is precise in both tails."""
    p, below = curve.survival(values), curve.cdf(values)
    result: Floats = np.where(p < below, 1.0, -1.0) / np.tan(np.pi * np.minimum(p, below))
    return result
