"""AUC and pAUC of weighted clips, for many weightings of the same clips at once.

A bootstrap replicate, leaving a clip out, and swapping two systems' ranks of a clip are all weights on clips, so all
resampling uses this file. Weights of 1 give what :mod:`asdcore.evidence.metrics` computes; a clip of
weight 2 stands for two clips of the same score.

For weights w of m anomalies a and n normals x, and M[i, j] = [a_i > x_j] + [a_i = x_j] / 2,

    AUC = sum_ij w_i M[i, j] w_j / (sum_i w_i sum_j w_j),

so that a matrix product serves every replicate. Whole weights give sums of halves, which float64 holds exactly, so the
result has the same bits on every machine; weights in float32 hold them as well, and take half the time
(:func:`asdcore.evidence.uncertainty.resample.precision`). pAUC walks down the distinct scores of the normals: between
the normals above a score and those at or above it the ROC curve is a straight line from the share of anomalies above it
to the share at or above it, cut off where the false positive rate reaches ``max_fpr``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.evidence.metrics import EPSILON, Cell, Rule

Floats = NDArray[np.float64]
Weights = NDArray[np.floating[Any]]
BLOCK = 256
"""Replicates at a time: the weights of a few hundred clips then stay in a processor's cache."""


def cell_values(
    cells: Sequence[Cell], scores: Floats, anomalous: NDArray[np.bool_], domains: NDArray[np.object_], weights: Weights
) -> Floats:
    """(n_clips,) three times, weights (n_clips, replicates) -> (n_cells, replicates) of one machine and section.

    NaN if a replicate gives no weight to the normals, or to the anomalies, of a cell.
    """
    values = np.empty((len(cells), weights.shape[1]))
    for k, cell in enumerate(cells):
        normals = ~anomalous & (True if cell.normals is None else domains == cell.normals)
        anomalies = anomalous & (True if cell.anomalies is None else domains == cell.anomalies)
        measure = {"auc": weighted_auc, "pauc": weighted_pauc}[cell.measure]
        for start in range(0, weights.shape[1], BLOCK):
            block = weights[:, start : start + BLOCK]
            value = measure(scores[anomalies], scores[normals], block[anomalies], block[normals])
            values[k, start : start + BLOCK] = value
    return values


def weighted_auc(anomalies: Floats, normals: Floats, weights_a: Weights, weights_n: Weights) -> Floats:
    """Scores (m,), (n,), weights (m, replicates), (n, replicates) -> AUC (replicates,)."""
    wins = (anomalies > normals[:, None]) + 0.5 * (anomalies == normals[:, None])
    return _ratio(_dot(_product(wins, weights_a), weights_n), _total(weights_a) * _total(weights_n))


def weighted_pauc(
    anomalies: Floats, normals: Floats, weights_a: Weights, weights_n: Weights, max_fpr: float = 0.1
) -> Floats:
    """Scores (m,), (n,), weights (m, replicates), (n, replicates) -> standardized partial AUC (replicates,)."""
    levels, total = np.unique(normals)[::-1], _total(weights_n)
    limit = max_fpr * total
    # Levels below the first at which every replicate has reached its limit do not count; most of them hardly ever do.
    for share in (4, 2, 1):
        tried = levels[: -(-len(levels) // share)]
        upto = _product(normals >= tried[:, None], weights_n)
        enough = (upto >= limit).all(axis=1)
        if enough.any():
            break
    needed = 1 + int(np.argmax(enough))
    levels, upto = levels[:needed], upto[:needed]
    above = np.concatenate([np.zeros_like(upto[:1]), upto[:-1]])
    inside = np.minimum(upto, limit) - np.minimum(above, limit)
    height = _product(anomalies > levels[:, None], weights_a)
    tied = anomalies == levels[:, None]
    if tied.any():
        share_inside = np.divide(inside, 2 * (upto - above), out=np.zeros_like(inside), where=upto > above)
        height += _product(tied, weights_a) * share_inside
    area = _ratio(_dot(inside, height), total * _total(weights_a))
    chance = max_fpr**2 / 2
    standardized: Floats = (1 + (area - chance) / (max_fpr - chance)) / 2
    return standardized


def official_scores(values: Floats, machines: Sequence[str], rule: Rule) -> Floats:
    """Cells (n_sections, n_cells, replicates), the machine of each section -> official scores (replicates,).

    The mean of :func:`asdcore.evidence.metrics.official_score`, for many values of the same cells.
    """
    if rule.mean == "harmonic":
        raised = np.maximum(values, EPSILON)
        harmonic: Floats = values.shape[0] * values.shape[1] / np.sum(1 / raised, axis=(0, 1))
        return harmonic
    arithmetic: Floats = np.einsum("s,scr->r", _weights(machines), values) / values.shape[1]
    return arithmetic


def official_scores_replaced(values: Floats, replaced: Sequence[Floats], machines: Sequence[str], rule: Rule) -> Floats:
    """Official scores if the cells of one section after another are others, in time linear in the sections.

    Parameters
    ----------
    values : ndarray, shape (n_sections, n_cells)
        The cells.
    replaced : sequence of ndarray, shape (n_cells, n)
        The other cells of each section, for as many replicates as it has.
    machines : sequence of str
        The machine of each section.
    rule : Rule
        The year's.

    Returns
    -------
    ndarray, shape (total of n,)
        Section after section what :func:`official_scores` gives, but for the rounding of sums in another order.
    """
    is_harmonic = rule.mean == "harmonic"
    weights = np.ones(len(values)) if is_harmonic else _weights(machines) / values.shape[1]

    def term(cells: Floats) -> Floats:
        of_cells: Floats = (1 / np.maximum(cells, EPSILON) if is_harmonic else cells).sum(axis=0)
        return of_cells

    own = weights * term(values.T)
    # Sums of what lies before and after: a difference of the whole would lose what a cell of 0 is beside.
    others = np.concatenate([[0.0], np.cumsum(own)[:-1]]) + np.concatenate([np.cumsum(own[::-1])[-2::-1], [0.0]])
    sums = np.concatenate(
        [rest + weight * term(cells) for rest, weight, cells in zip(others, weights, replaced, strict=True)]
    )
    return values.size / sums if is_harmonic else sums


def _weights(machines: Sequence[str]) -> Floats:
    """Return what each section counts in an arithmetic mean over machines (n_sections,)."""
    sections_of = Counter(machines)
    return np.array([1 / (len(sections_of) * sections_of[machine]) for machine in machines])


def _product(shares: NDArray[np.floating[Any] | np.bool_], weights: Weights) -> Floats:
    """Shares (k, n) of 0, 1/2 and 1, weights (n, replicates) -> (k, replicates), in the precision of the weights."""
    return np.asarray(shares.astype(weights.dtype) @ weights, dtype=np.float64)


def _total(weights: Weights) -> Floats:
    """(n, replicates) -> (replicates,)."""
    return np.asarray(weights.sum(axis=0), dtype=np.float64)


def _dot(left: Floats, right: Weights) -> Floats:
    """(n, replicates) twice -> the sums of their products (replicates,)."""
    products: Floats = np.einsum("nr,nr->r", left, right)
    return products


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN if the denominator is 0."""
    quotient: Floats = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return quotient
