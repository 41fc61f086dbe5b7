"""False positives as rates: the exact interval of a rate, and two readings of the "target false-positive ratio".

"Robust train-normal calibration" (DCASE 2026, Tables 2 and 3) uses one name for two numbers: its text describes the
first, its figures look like the second. Here each has a name of its own.

target_fpr_at_threshold : the share of a cell's target test normals that are called anomalous.
target_share_of_top_normals : the share of target clips among the tenth of a cell's test normals that score highest,
    which decide pAUC. If both domains have as many normals, 0.5 is balanced.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from asdcore.contract.references import DOMAINS

TOP = 10
"""One in so many normals is a top one: pAUC looks at false positive rates up to 1/10."""


def clopper_pearson(hits: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Compute the exact interval of a binomial rate, from quantiles of the beta distribution.

    Parameters
    ----------
    hits, n : float
        How many of how many, 0 <= hits <= n. Both may be fractions, such as an effective number of clips.
    level : float, default 0.95
        The share of repetitions in which the interval covers the true rate, at least.

    Returns
    -------
    low, high : float
        The ends of the interval, in [0, 1].

    References
    ----------
    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934.

    Examples
    --------
    >>> low, high = clopper_pearson(2, 40)
    >>> round(low, 3), round(high, 3)
    (0.006, 0.169)

    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def target_false_positives(
    scores: ArrayLike, labels: ArrayLike, domains: ArrayLike, decided: ArrayLike | None = None
) -> dict[str, float | None]:
    """Compute both readings of the target false-positive ratio, for one machine and section.

    Parameters
    ----------
    scores : array_like of float, shape (n_clips,)
        Anomaly scores, larger = more anomalous. If normals tie at the edge of the top, they count in equal shares, so
        their order does not matter.
    labels : array_like of int, shape (n_clips,)
        0 for a normal clip, 1 for an anomaly.
    domains : array_like of str, shape (n_clips,)
        "source" or "target".
    decided : array_like of int, shape (n_clips,), optional
        1 for a clip that was called an anomaly, else 0.

    Returns
    -------
    dict of str to float or None
        "target_fpr_at_threshold" and "target_share_of_top_normals". Both are None without a target test normal, and
        the first is None without decisions.

    Examples
    --------
    >>> target_false_positives([1, 2, 3, 4], [0, 0, 0, 1], ["source", "source", "target", "target"], [0, 0, 1, 1])
    {'target_fpr_at_threshold': 1.0, 'target_share_of_top_normals': 1.0}

    """
    normal = np.asarray(labels) == 0
    target = np.asarray(domains)[normal] == DOMAINS[1]
    if not target.any():
        return {"target_fpr_at_threshold": None, "target_share_of_top_normals": None}
    values = np.asarray(scores, dtype=np.float64)[normal]
    top = -(-len(values) // TOP)
    edge = np.sort(values)[-top]
    over, at = values > edge, values == edge
    share = (over & target).sum() + (top - over.sum()) * (at & target).sum() / at.sum()
    rate = None if decided is None else float(np.mean(np.asarray(decided)[normal][target]))
    return {"target_fpr_at_threshold": rate, "target_share_of_top_normals": float(share / top)}
