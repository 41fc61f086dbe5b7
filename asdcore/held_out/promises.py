"""What a threshold can promise where train normals are exchangeable by group (a recording, a run), not by clip.

Clips of one recording are near-duplicates: thirty of them say little more than one. Two things can be had from scores
of train normals in groups, each scored without its own group:

bound
    A threshold that keeps the promise, by proof. Each of K groups weighs 1/(K + 1), shared out among its clips, and
    1/(K + 1) lies at infinity; the threshold is the (1 - rate)-quantile. **Assumption: the new clip comes from a new
    group, exchangeable with the train groups, in which clips are exchangeable.** Then it lies above with a probability
    of at most ``rate``, whatever the distributions. K groups can promise 1/(K + 1) or more, never less, and if groups
    hardly differ the bound promises far more than it need.

    Proof. Put the new group beside the K others, each of the K + 1 with weight 1/(K + 1), shared out among its clips,
    and let T be the (1 - rate)-quantile of all. Clips above T weigh at most ``rate`` together. The new clip is any clip
    of any of the groups with just these probabilities, so it lies above T with a probability of at most ``rate``. The
    bound moves the weight of the new group to infinity, which can only raise the quantile: bound >= T. Groups may
    differ in size, sizes may depend on scores, and scores may tie. Without ties it lies above with a probability of at
    least ``rate`` - 2/(K + 1). The idea is that of hierarchical conformal prediction (Lee, Barber and Willett 2023,
    "Distribution-free inference with hierarchical data", arXiv 2306.06342); with one clip drawn from each group it is
    the subsampling of Dunn, Wasserman and Ramdas (JASA 118, 2023).

    What the proof does not cover: it is about scores. A train normal is scored without its group, a new clip by all
    train normals, so the scores are exchangeable only as nearly as one group changes a scorer. Neighbours are counted
    in stretches along the order, which stand for recordings that nobody named. And both domains count together, in the
    shares that they have among the train groups: nothing is promised of one domain alone.

estimate
    A threshold that comes near the rate on average, without proof, and exists of few groups too: the conformal rank
    ceil((n + 1) q) with n the number of independent clips that the clips are worth. That is Kish's effective number
    (*Survey Sampling*, 1965), from the intraclass correlation of lying above, by analysis of variance. Nothing bounds
    its error: that correlation is itself read from a few groups. In a simulation with known groups (10 to 40 of 6 or 30
    clips, normal scores, correlation 0 to 0.95) it kept 93.4 to 96.0 % of fresh normals below at a rate of 5 %.
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
    """(n,) out-of-group scores, (n,) group of each -> the threshold that provably keeps the rate; inf if none can.

    Each clip alone in its group gives the conformal threshold of n clips. A float stands for the decimal number that it
    is printed as. Raises EvaluationError for scores that are
    not finite, for none, and for a rate that is not between 0 and 1.
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
    """(m,) new scores, (n,) scores, (n,) groups -> (m,) p-values that count groups: at most t with probability t.

    (1 + the sum over groups of the share of its clips that score as high) / (K + 1). Under the assumption above; one
    of K groups can be no surer than 1/(K + 1).
    """
    values, members = _checked(scores, groups, 0.5)
    counts = np.bincount(members)
    order = np.argsort(values)
    weights = np.concatenate([np.cumsum((1 / counts[members])[order][::-1])[::-1], [0.0]])
    asked = np.asarray(new, dtype=np.float64)
    p: Floats = (1 + weights[np.searchsorted(values[order], asked)]) / (len(counts) + 1)
    return np.minimum(p, 1.0)


def smallest_rate(groups: int) -> float:
    """Return the smallest rate of false positives that a threshold from so many groups can promise."""
    return 1 / (groups + 1)


def estimate(scores: ArrayLike, groups: ArrayLike, rate: float | Fraction) -> float:
    """(n,) out-of-group scores, (n,) group of each -> the threshold that comes near the rate on average; inf if none.

    Clips that do not depend on their groups give the conformal threshold of n clips. Raises as :func:`bound` does.
    """
    values, members = _checked(scores, groups, rate)
    ordered, n = np.sort(values), len(values)
    quantile = 1 - _exact(rate)
    plain = ordered[math.ceil(n * quantile) - 1]
    worth = effective_clips(values > plain, members)
    rank = math.ceil(n * quantile * (1 + 1 / Fraction(worth)))
    return float(ordered[rank - 1]) if rank <= n else math.inf


def effective_clips(above: ArrayLike, groups: ArrayLike) -> float:
    """(n,) which clips lie above, (n,) groups -> how many independent clips they are worth, from 1 to n.

    n / (1 + (m - 1) r): m clips of a group on average (weighted by clips), r their intraclass correlation; as many as
    there are groups where the clips of a group always agree.
    """
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    counts, n = np.bincount(members), len(members)
    mates = float((counts.astype(float) ** 2).sum() / n) - 1
    return n / (1 + mates * correlation(above, members))


def correlation(above: ArrayLike, groups: ArrayLike) -> float:
    """(n,) which clips lie above, (n,) groups -> how alike the clips of a group are in it: from 0, not at all, to 1.

    The intraclass correlation of a one-way analysis of variance (Fisher 1925). 0 where no group has two clips, or all
    clips agree; 1 where there is one group, of which nothing can be told.
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
