"""Distances less as much of the local density as makes train normals' scores vary least.

A(x) = min_y d(x, y) - alpha rho(y). rho(y) is the mean distance of a train normal to its k nearest others, and
alpha = Cov(u, v) / Var(v) over the train normals z: u is the distance of z to its nearest other, v the rho of that one.
alpha = 0 is the nearest neighbour, alpha = 1 the difference of ``ldn``; if all rho are the same, alpha is 0. From
Matsumoto et al., DCASE Workshop 2025. ``beam`` does the same band by band.

With ``log`` it is done with the logarithms of distances: A(x) = min_y d(x, y) / (rho(y) / median rho)^alpha, where
alpha = Cov(log u, log v) / Var(log v). That is the exponential of min_y log d(x, y) - alpha log rho(y), so that a clip
that equals a train normal scores 0, not minus infinity; the median, taken of log rho, keeps scores by banks that lack
different clips at one level. alpha = 1 is the ratio of ``ldn`` up to a factor. With ``k = 1`` and Euclidean distances
this is the back end of arXiv 2603.04605. u and rho then have 1e-6 times the median positive rho added.

Leave-one-out is exact: neighbours, rho and alpha are those of the other clips. Time and memory: a distance matrix of
n_train^2, then n_train + k^2 for a clip left out and n_train for a clip scored. A bank of more than 5,000 clips is
searched instead, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from asdcore_plugins.scorers.bases.least_variance import LeastVariance


class VarMin(LeastVariance):
    """Distance less alpha times the local density's distance; in the unit of the distance.

    Parameters
    ----------
    k
        Neighbours of rho; all there are if there are fewer.
    among
        Whose clips are neighbours: all ("pooled"), or those of the same domain ("domain").
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.
    log
        Take the logarithms of distances, as above.

    Raises
    ------
    ValueError
        If ``k`` is not a positive whole number, or another parameter is not allowed.

    References
    ----------
    Matsumoto et al., DCASE Workshop 2025; for ``log`` K. Wilkinghoff, S. Yadav and Z.-H. Tan, "Temporal pooling
    strategies for training-free anomalous sound detection with self-supervised audio embeddings", arXiv 2603.04605,
    2026, section IV-C.

    Examples
    --------
    All densities are the same here, so the score is the distance to the nearest train normal:

    >>> import numpy as np
    >>> scorer = VarMin(k=1, metric="euclidean").fit(np.eye(4, dtype=np.float32), np.full(4, "source"))
    >>> scorer.score(np.zeros((1, 4), np.float32))["pooled"].tolist()
    [1.0]
    """
