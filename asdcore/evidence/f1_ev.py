"""F1-EV: the F1 that a threshold brings which is drawn by lot, so how likely a good threshold is to be found."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.evidence.roc import two_classes

MARGIN = 0.2515
"""How many deviations of the normals the bounds of the bounded F1-EV keep from them, as the authors have it."""

Floats = NDArray[np.float64]


def f1_ev(scores: ArrayLike, labels: ArrayLike, bounded: bool = False) -> float:
    """Compute F1-EV: the expected F1 of a threshold that is uniform between the lowest and the highest score.

    A clip is flagged if it scores above the threshold. Unlike the AUC it hangs on the distances between scores, not on
    their order alone: scores that leave wide room between normals and anomalies forgive a threshold that is a little
    wrong. A factor above 0 or a constant on all scores changes nothing; a curved transform does.

    Parameters
    ----------
    scores, labels
        As :func:`asdcore.evidence.roc.auc`.
    bounded : bool, default False
        Draw from the thresholds that somebody might estimate: from the mean of the normals, less 0.2515 of their
        deviations, to the best threshold, and as much more. The best one is the lowest score with the largest F1.

    Returns
    -------
    float
        In [0, 1]. If the second bound is not above the first, F1 at the first one: 0 for constant scores.

    Raises
    ------
    EvaluationError
        As :func:`asdcore.evidence.roc.auc`.

    References
    ----------
    K. Wilkinghoff and K. Imoto, "F1-EV score: measuring the likelihood of estimating a good decision threshold for
    semi-supervised anomaly detection", arXiv 2312.09143, 2023. The bounds are those of the authors' code, whose sum
    over scores is this mean exactly: between two scores F1 does not change.

    Examples
    --------
    Up to 1 two of three flagged clips are anomalies, up to 4 all, and from there on only one of two anomalies is
    flagged: (0.8 * 1 + 1.0 * 3 + 2 / 3 * 1) / 5.

    >>> round(f1_ev([0.0, 1.0, 4.0, 5.0], [0, 0, 1, 1]), 4)
    0.8933
    """
    normals, anomalies = two_classes(scores, labels)
    steps = np.unique(np.concatenate([normals, anomalies]))
    low, high = float(steps[0]), float(steps[-1])
    if bounded:
        best = steps[np.argmax(_f1_above(steps, normals, anomalies))]
        margin = MARGIN * float(np.std(normals))
        low, high = float(np.mean(normals)) - margin, float(best) + margin
    if not low < high:
        return float(_f1_above(np.array([low]), normals, anomalies)[0])
    borders = np.concatenate([[low], steps[(steps > low) & (steps < high)], [high]])
    widths = np.diff(borders) / (high - low)
    return float(np.sum(widths * _f1_above(borders[:-1], normals, anomalies)))


def _f1_above(thresholds: Floats, normals: Floats, anomalies: Floats) -> Floats:
    """(k,), ascending scores of both classes -> F1 (k,) of flagging what lies above each threshold; 0 without hits."""
    hits = len(anomalies) - np.searchsorted(anomalies, thresholds, side="right")
    alarms = len(normals) - np.searchsorted(normals, thresholds, side="right")
    f1: Floats = 2.0 * hits / (hits + alarms + len(anomalies))
    return f1
