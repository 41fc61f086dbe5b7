"""Thresholds and p-values for train normals that are exchangeable by group (such as a recording), not by clip.

Clips of one recording are near-duplicates: thirty of them tell little more than one. Scores of train normals in groups,
each scored without its own group, give two thresholds:

bound
    A threshold that keeps its promise, by proof. Each of K groups weighs 1/(K + 1), shared out among its clips, and
    1/(K + 1) lies at infinity; the threshold is the (1 - rate)-quantile. **Assumption: the new clip comes from a new
    group, exchangeable with the train groups, in which clips are exchangeable.** Then it lies above with a probability
    of at most ``rate``, whatever the distributions. K groups can promise 1/(K + 1) or more, never less, and if groups
    hardly differ, the bound is far more cautious than it need be.

    Proof. Put the new group beside the K others, each of the K + 1 with weight 1/(K + 1), shared out among its clips,
    and let T be the (1 - rate)-quantile of all. Clips above T weigh at most ``rate`` together. The new clip is any clip
    of any of the groups with just these probabilities, so it lies above T with a probability of at most ``rate``. The
    bound moves the weight of the new group to infinity, which can only raise the quantile: bound >= T. Groups may
    differ in size, sizes may depend on scores, and scores may tie. Without ties it lies above with a probability of at
    least ``rate`` - 2/(K + 1). The idea is that of hierarchical conformal prediction (Lee, Barber and Willett 2023,
    "Distribution-free inference with hierarchical data", arXiv 2306.06342); with one clip drawn from each group it is
    the subsampling of Dunn, Wasserman and Ramdas (JASA 118, 2023).

    The limits of the proof: it is about scores. A train normal is scored without its group, a new clip by all train
    normals, so the scores are exchangeable only as nearly as one group changes a scorer. Neighbours are counted in
    stretches along the order, which stand for unnamed recordings. And both domains count together, in the shares that
    they have among the train groups: a single domain gets no promise.

estimate
    A threshold that comes near the rate on average, without proof, and that few groups allow, too: the conformal rank
    ceil((n + 1) q) with n the number of independent clips that the clips are worth. That is Kish's effective number
    (*Survey Sampling*, 1965), from the intraclass correlation of lying above, by analysis of variance. Its error has no
    bound: that correlation is itself estimated from a few groups. In a simulation with known groups (10 to 40 of 6 or
    30 clips, normal scores, correlation 0 to 0.95) it kept 93.4 to 96.0 % of fresh normals below at a rate of 5 %.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.errors import EvaluationError

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]


def bound(scores: ArrayLike, groups: ArrayLike, rate: float | Fraction) -> float:
    """Compute the threshold that provably keeps a rate of false positives, counting groups.

    If each clip is alone in its group, this is the conformal threshold of n clips.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Scores of train normals, each scored without its own group.
    groups : array_like, shape (n,)
        The group of each.
    rate : float or fractions.Fraction
        The rate of false positives to keep, in (0, 1). A float stands for the decimal number that it prints as.

    Returns
    -------
    float
        In the units of the scores; inf if so few groups cannot keep the rate.

    Raises
    ------
    EvaluationError
        If there are no scores, one of them is not finite, or the rate lies outside (0, 1).

    References
    ----------
    Y. Lee, R. F. Barber and R. Willett, "Distribution-free inference with hierarchical data", arXiv 2306.06342,
    2023.

    R. Dunn, L. Wasserman and A. Ramdas, "Distribution-free prediction sets for two-layer hierarchical models",
    Journal of the American Statistical Association 118, 2023.

    Examples
    --------
    >>> scores, recordings = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2]
    >>> bound(scores, recordings, 0.25)
    6.0
    >>> bound(scores, recordings, 0.05)
    inf

    """
    values, members = _checked(scores, groups, rate)
    counts = np.bincount(members).tolist()
    shared = math.lcm(*set(counts))  # whole numbers: a sum of floats may miss the quantile by a clip
    shares = [shared // count for count in counts]
    needed = math.ceil((1 - _exact(rate)) * (len(counts) + 1) * shared)
    order, below = np.argsort(values, kind="stable"), 0
    for i, group in zip(order.tolist(), members[order].tolist(), strict=True):
        below += shares[group]
        if below >= needed:
            return float(values[i])
    return math.inf


def p_values(new: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> Floats:
    """Compute p-values of new clips that count groups: a new normal clip gets at most t with probability at most t.

    p = (1 + the sum over groups of the share of its clips that score as high) / (K + 1). With K groups no p-value is
    below 1/(K + 1). The assumption is that of :func:`bound`.

    Parameters
    ----------
    new : array_like of float, shape (m,)
        Scores of new clips.
    scores : array_like of float, shape (n,)
        Scores of train normals, each scored without its own group.
    groups : array_like, shape (n,)
        The group of each train normal.

    Returns
    -------
    ndarray of float64, shape (m,)
        In [1/(K + 1), 1].

    Raises
    ------
    EvaluationError
        If there are no train normals, or a score of theirs is not finite.

    References
    ----------
    As :func:`bound`.

    Examples
    --------
    >>> p_values([0.0, 5.5, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2]).tolist()
    [1.0, 0.375, 0.25]

    """
    values, members = _checked(scores, groups, 0.5)
    counts = np.bincount(members)
    order = np.argsort(values)
    weights = np.concatenate([np.cumsum((1 / counts[members])[order][::-1])[::-1], [0.0]])
    asked = np.asarray(new, dtype=np.float64)
    p: Floats = (1 + weights[np.searchsorted(values[order], asked)]) / (len(counts) + 1)
    return np.minimum(p, 1.0)


def smallest_rate(groups: int) -> float:
    """Compute the smallest rate of false positives that a threshold from so many groups can promise.

    Parameters
    ----------
    groups : int
        How many groups of train normals there are.

    Returns
    -------
    float
        1 / (groups + 1).

    Examples
    --------
    >>> smallest_rate(9)
    0.1

    """
    return 1 / (groups + 1)


def estimate(scores: ArrayLike, groups: ArrayLike, rate: float | Fraction) -> float:
    """Compute a threshold that comes near a rate of false positives on average, without proof.

    If clips do not depend on their groups, this is the conformal threshold of n clips.

    Parameters
    ----------
    scores, groups, rate
        As :func:`bound`; ``rate`` is the rate to come near.

    Returns
    -------
    float
        In the units of the scores; inf if the clips are worth too few independent ones.

    Raises
    ------
    EvaluationError
        As :func:`bound`.

    References
    ----------
    L. Kish, *Survey Sampling*, 1965 (the effective number of clips).

    Examples
    --------
    >>> estimate([1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "d"], 0.25)
    4.0

    """
    values, members = _checked(scores, groups, rate)
    ordered, n = np.sort(values), len(values)
    quantile = 1 - _exact(rate)
    plain = ordered[math.ceil(n * quantile) - 1]
    worth = effective_clips(values > plain, members)
    rank = math.ceil(n * quantile * (1 + 1 / Fraction(worth)))
    return float(ordered[rank - 1]) if rank <= n else math.inf


def effective_clips(above: ArrayLike, groups: ArrayLike) -> float:
    """Compute how many independent clips the clips of some groups are worth.

    n / (1 + (m - 1) r), with m clips in a group on average (weighted by clips) and r their intraclass correlation.

    Parameters
    ----------
    above : array_like of bool, shape (n,)
        Which clips lie above a threshold.
    groups : array_like, shape (n,)
        The group of each.

    Returns
    -------
    float
        From 1 to n.

    References
    ----------
    L. Kish, *Survey Sampling*, 1965.

    Examples
    --------
    >>> effective_clips([True, True, False, False], ["a", "a", "b", "b"])
    2.0
    >>> effective_clips([True, False, True, False], ["a", "a", "b", "b"])
    4.0

    """
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    counts, n = np.bincount(members), len(members)
    mates = float((counts.astype(float) ** 2).sum() / n) - 1
    return n / (1 + mates * correlation(above, members))


def correlation(above: ArrayLike, groups: ArrayLike) -> float:
    """Compute how alike the clips of a group are in lying above: the intraclass correlation.

    Parameters
    ----------
    above, groups
        As :func:`effective_clips`.

    Returns
    -------
    float
        From 0 (not alike) to 1. 0 if no group has two clips, or if all clips agree; 1 for a single group, which tells
        nothing.

    References
    ----------
    R. A. Fisher, *Statistical Methods for Research Workers*, 1925 (one-way analysis of variance).

    Examples
    --------
    >>> correlation([True, True, False, False], ["a", "a", "b", "b"])
    1.0

    """
    hits = np.asarray(above, dtype=np.float64)
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    counts, n = np.bincount(members), len(members)
    k = len(counts)
    if k == n or np.ptp(hits) == 0:
        return 0.0
    if k == 1:
        return 1.0
    means = np.bincount(members, hits) / counts
    between = float(counts @ (means - hits.mean()) ** 2) / (k - 1)
    within = float(((hits - means[members]) ** 2).sum()) / (n - k)
    size = (n - float((counts.astype(float) ** 2).sum()) / n) / (k - 1)
    return float(np.clip((between - within) / (between + (size - 1) * within), 0, 1))


def _exact(rate: float | Fraction) -> Fraction:
    return rate if isinstance(rate, Fraction) else Fraction(str(rate))


def _checked(scores: ArrayLike, groups: ArrayLike, rate: float | Fraction) -> tuple[Floats, Groups]:
    """Return scores, and groups as numbers from 0."""
    values, named = np.asarray(scores, dtype=np.float64), np.asarray(groups)
    if values.ndim != 1 or values.shape != named.shape or not len(values):
        raise EvaluationError(f"scores {values.shape} and groups {named.shape} must both be (n,), n at least 1.")
    if not np.isfinite(values).all():
        raise EvaluationError(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite.")
    if not 0 < rate < 1:
        raise EvaluationError(f"A rate of false positives lies between 0 and 1, not at {rate}.")
    return values, np.unique(named, return_inverse=True)[1].astype(np.intp)
