"""How far up among train normals a fault lies: its gain, and how sure that is of normals that come in groups.

A train normal and a fault are compared by one and the same model, which has seen neither: the one that lacks the
normal's fold. Out-of-fold scores of normals beside scores of faults by the model of all normals would not do. A scorer
that divides by a density gives a clip another scale where clips were left out of its bank, so that normals of some
branches lie lower than new normals will, and faults seem to be found (``docs/known-faults.md`` has figures).

Normals are a sample, too: few, of fewer recordings. How probable other gains are says a Bayesian bootstrap over groups
of normals (Rubin 1981): one exponential weight for all clips of a group.

References: D. B. Rubin, "The Bayesian bootstrap", Annals of Statistics 9, 1981; D. K. McClish, "Analyzing a portion of
the ROC curve", Medical Decision Making 9, 1989 (the standardization of the partial area).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PAUC = 0.1
"""The false-positive rate up to which the partial area counts, as the challenge has it."""

COLUMNS, ENTRIES = 64, 1 << 25
"""Weighted sums of branches that are compared at once, and scores of faults beside normals, 256 MiB of them."""


def gains(faults: Floats, normals: Floats, domain: NDArray[np.str_], share: Floats | None = None) -> Floats:
    """Return how far up among normals each candidate puts each fault.

    The mean over faults is the arithmetic mean of the AUC against each domain's normals and the standardized partial
    AUC up to 0.1 against all normals, one third each if there are two domains: the cells of the official score of
    2022-2026, with an arithmetic mean, so that each fault has a part of it.

    Parameters
    ----------
    faults : ndarray, shape (n_faults, n_candidates) or (n_normals, n_faults, n_candidates)
        Scores, larger is more anomalous; perhaps others beside each normal: by the model that has scored this normal.
    normals : ndarray, shape (n_normals, n_candidates)
        Out-of-fold scores of train normals.
    domain : ndarray of str, shape (n_normals,)
        "source" or "target".
    share : ndarray, shape (n_draws, n_normals), optional
        Weights of the normals, positive, in each of some draws. By default all weigh the same.

    Returns
    -------
    ndarray, shape (n_faults, n_candidates), or (n_draws, n_faults, n_candidates) with ``share``
        In [0, 1].

    References
    ----------
    D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9, 1989 (the standardization).

    Examples
    --------
    >>> import numpy as np
    >>> normals = np.arange(10.0)[:, None]
    >>> gains(np.array([[4.5], [20.0]]), normals, np.array(["source"] * 10)).round(3).tolist()
    [[0.487], [1.0]]
    """
    weight = np.ones((1, len(normals))) if share is None else share
    of_all, *of_domains = [_scaled(weight, domain == name) for name in (domain, *np.unique(domain))]
    columns = []
    for column in range(normals.shape[1]):
        values, beside = faults[..., column], normals[:, None, column]
        above, tied = (beside > values).astype(np.float64), (beside == values).astype(np.float64)
        areas = [1.0 - part @ above - (part @ tied) / 2 for part in of_domains]
        columns.append(np.mean([*areas, _partial(of_all @ above, of_all @ tied)], axis=0))
    result = np.stack(columns, axis=-1)
    return result if share is not None else result[0]


def _scaled(weight: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Return weights (n_draws, n_normals) of the normals that count, with a sum of 1 in each draw."""
    kept = np.where(counted, weight, 0.0)
    scaled: Floats = kept / kept.sum(axis=1, keepdims=True)
    return scaled


def _partial(above: Floats, tied: Floats) -> Floats:
    """Return each fault's part of the standardized partial AUC: where its step of the ROC curve lies, ties slanting."""
    slant = np.clip(PAUC - above, 0.0, tied)
    ties = np.divide(slant**2, 2 * tied, out=np.zeros_like(tied), where=tied > 0)
    area = ties + np.maximum(PAUC - above - tied, 0.0)
    chance = PAUC**2 / 2
    standardized: Floats = (1 + (area - chance) / (PAUC - chance)) / 2
    return standardized


def drawn_normals(group: NDArray[np.intp], draws: int, seed: int) -> Floats:
    """Return weights (n_draws, n_normals) of normals in a Bayesian bootstrap over their groups, (n_normals,) numbers.

    Examples
    --------
    >>> import numpy as np
    >>> weights = drawn_normals(np.array([0, 0, 1]), draws=4, seed=0)
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((4, 3), True)
    """
    numbers, place = np.unique(group, return_inverse=True)
    return np.random.default_rng(seed).exponential(size=(draws, len(numbers)))[:, place]


@dataclass(frozen=True)
class CellScores:
    """The parts of all branches, of one machine and section.

    Attributes
    ----------
    normals : ndarray, shape (n_normals, n_branches)
        Of train normals, each by the model that lacks its fold.
    domain, group : ndarray, shape (n_normals,)
        "source" or "target", and the number of the group of each normal.
    models : ndarray, shape (n_models, n_faults, n_branches)
        Of faults, by each model.
    fold : ndarray of int, shape (n_normals, n_branches)
        The model that has scored a normal.
    rows : ndarray of int, shape (n_faults,)
        The places of the faults among all known faults.
    """

    normals: Floats
    domain: NDArray[np.str_]
    group: NDArray[np.intp]
    models: Floats
    fold: NDArray[np.intp]
    rows: NDArray[np.intp]

    def of_branches(self, draws: int = 0, seed: int = 0) -> Floats:
        """Return the gain of each fault by each branch, (n_faults, n_branches).

        With ``draws`` that by each of some draws of the normals, (n_draws, n_faults, n_branches).
        """
        share = drawn_normals(self.group, draws, seed) if draws else None
        columns = [
            gains(self.models[self.fold[:, b], :, b][..., None], self.normals[:, b, None], self.domain, share)
            for b in range(self.normals.shape[1])
        ]
        return np.concatenate(columns, axis=-1)

    def of_sums(self, weights: Floats, draws: int = 0, seed: int = 0) -> Floats:
        """Return the gain of each fault by sums of branches, (n_faults, n_sums), of weights (n_branches, n_sums).

        With ``draws`` that by each of some draws of the normals, (n_draws, n_faults, n_sums).
        """
        share = drawn_normals(self.group, draws, seed) if draws else None
        alike, place = np.unique(self.fold, axis=0, return_inverse=True)
        branch = np.arange(self.fold.shape[1])
        met = np.stack([self.models[of, :, branch].T for of in alike])  # (n_alike, n_faults, n_branches)
        parts = []
        columns = max(1, min(COLUMNS, ENTRIES // (len(self.normals) * met.shape[1])))
        for start in range(0, weights.shape[1], columns):
            given = weights[:, start : start + columns]
            parts.append(gains((met @ given)[place], self.normals @ given, self.domain, share))
        return np.concatenate(parts, axis=-1)
