"""Area under the ROC curve, whole (AUC) and partial (pAUC), of the clips of one machine and section.

Only the order of scores matters, and larger means more anomalous. Ties count one half, so constant scores give 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.errors import EvaluationError


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Compute the area under the ROC curve: P(anomaly scores higher) + P(equal) / 2, by counting ranks.

    Parameters
    ----------
    scores : array_like of float, shape (n_clips,)
        Anomaly scores, larger = more anomalous.
    labels : array_like of int, shape (n_clips,)
        0 for a normal clip, 1 for an anomaly.

    Returns
    -------
    float
        In [0, 1]; 0.5 for constant scores.

    Raises
    ------
    EvaluationError
        If normal or anomalous clips are missing, a score is not finite, a label is neither 0 nor 1, or the lengths
        differ.

    References
    ----------
    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143, 1982.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75

    """
    normals, anomalies = two_classes(scores, labels)
    below = np.searchsorted(normals, anomalies, side="left").sum()
    not_above = np.searchsorted(normals, anomalies, side="right").sum()
    return float(below + not_above) / (2 * len(normals) * len(anomalies))


def pauc(scores: ArrayLike, labels: ArrayLike, max_fpr: float = 0.1) -> float:
    """Compute the standardized partial AUC for false positive rates up to ``max_fpr``.

    The area under the ROC curve up to ``max_fpr`` is put on a scale on which chance is 0.5 and a perfect ranking 1.
    Tied scores are joined by a straight line, and the curve is interpolated at ``max_fpr``. scikit-learn's
    ``roc_auc_score(max_fpr=...)`` and every official evaluator compute the same. The challenge papers print another
    formula, :func:`pauc_of_papers`: an area that is neither interpolated nor standardized.

    Parameters
    ----------
    scores, labels
        As :func:`auc`.
    max_fpr : float, default 0.1
        The largest false positive rate that counts, in (0, 1]. The challenge uses 0.1.

    Returns
    -------
    float
        At most 1; 0.5 for constant scores.

    Raises
    ------
    ValueError
        If ``max_fpr`` lies outside (0, 1].
    EvaluationError
        As :func:`auc`.

    References
    ----------
    D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9, 1989.

    Examples
    --------
    >>> pauc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    1.0
    >>> pauc([1, 1, 1, 1], [0, 0, 1, 1])
    0.5

    """
    _check_max_fpr(max_fpr)
    normals, anomalies = two_classes(scores, labels)
    thresholds = np.unique(np.concatenate([normals, anomalies]))[::-1]
    fpr = _share_at_or_above(normals, thresholds)
    tpr = _share_at_or_above(anomalies, thresholds)
    inside = fpr <= max_fpr
    x = np.append(fpr[inside], max_fpr)
    y = np.append(tpr[inside], np.interp(max_fpr, fpr, tpr))
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]))) / 2
    chance = max_fpr**2 / 2
    return (1 + (area - chance) / (max_fpr - chance)) / 2


def pauc_of_papers(scores: ArrayLike, labels: ArrayLike, max_fpr: float = 0.1) -> float:
    """Compute the partial AUC that the challenge papers print, to compare with figures that were computed by it.

    No official score contains it: for that see :func:`pauc`. Of n normals the floor(n ``max_fpr``) highest count, each
    by the share of the anomalies above it, and a tie counts nothing. So chance is near ``max_fpr`` / 2, not 0.5.

    Parameters
    ----------
    scores, labels, max_fpr
        As :func:`pauc`.

    Returns
    -------
    float
        In [0, 1]; 0 for constant scores.

    Raises
    ------
    ValueError
        If ``max_fpr`` lies outside (0, 1].
    EvaluationError
        As :func:`auc`, or if there are fewer than 1 / ``max_fpr`` normals, so that none would count.

    References
    ----------
    K. Dohi et al., "Description and discussion on DCASE 2023 Challenge Task 2: First-shot unsupervised anomalous
    sound detection for machine condition monitoring", arXiv 2305.07828, eq. (3).

    Examples
    --------
    Of ten normals the highest counts, and half of the anomalies lie above it:

    >>> pauc_of_papers([*range(10), 8.5, 9.5], [0] * 10 + [1] * 2)
    0.5

    """
    _check_max_fpr(max_fpr)
    normals, anomalies = two_classes(scores, labels)
    rate = Fraction(str(max_fpr))  # as written: 0.29 * 100 is less than 29 in floats
    top = math.floor(rate * len(normals))
    if not top:
        raise EvaluationError(
            f"The papers' pAUC up to a false positive rate of {max_fpr} needs {math.ceil(1 / rate)} normal clips; "
            f"found {len(normals)}. The official pAUC interpolates, and one is enough for it."
        )
    above = len(anomalies) - np.searchsorted(anomalies, normals[-top:], side="right")
    return float(above.sum()) / (top * len(anomalies))


def finite(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores as float64; raises EvaluationError if one of them is not finite."""
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise EvaluationError(f"{np.sum(~np.isfinite(values))} of {values.size} scores are not finite numbers.")
    return values


def zeros_and_ones(values: ArrayLike, what: str) -> NDArray[np.bool_]:
    """Return values as booleans; raises EvaluationError, naming ``what`` they are, if one is neither 0 nor 1."""
    given = np.asarray(values)
    wrong = given[(given != 0) & (given != 1)]
    if wrong.size:
        raise EvaluationError(f"The {what} hold {wrong.tolist()[0]!r}; allowed are the numbers 0 and 1.")
    return given.astype(bool)


def check_lengths(**arrays: NDArray[Any]) -> None:
    """Raise EvaluationError unless all arrays have one axis and the same length."""
    shapes: Sequence[tuple[int, ...]] = [array.shape for array in arrays.values()]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in zip(arrays, shapes, strict=True))
        raise EvaluationError(f"The arrays differ in shape: {listed}. They must be (n_clips,) each.")


def _check_max_fpr(max_fpr: float) -> None:
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr}, must be in (0, 1]")


def two_classes(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_clips,), (n_clips,) -> the sorted scores of the normals and of the anomalies.

    Examples
    --------
    >>> normals, anomalies = two_classes([3.0, 2.0, 1.0], [0, 1, 0])
    >>> normals.tolist(), anomalies.tolist()
    ([1.0, 3.0], [2.0])
    """
    values, anomalous = finite(scores), zeros_and_ones(labels, "labels")
    check_lengths(scores=values, labels=anomalous)
    normals, anomalies = np.sort(values[~anomalous]), np.sort(values[anomalous])
    if not len(normals) or not len(anomalies):
        raise EvaluationError(
            f"A ROC curve needs normal and anomalous clips; found {len(normals)} normal, {len(anomalies)} anomalous."
        )
    return normals, anomalies


def _share_at_or_above(ordered: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) ascending, (k,) descending -> (k + 1,) shares, starting with 0 for a threshold above everything."""
    count = len(ordered) - np.searchsorted(ordered, thresholds, side="left")
    return np.concatenate([[0.0], count / len(ordered)])
