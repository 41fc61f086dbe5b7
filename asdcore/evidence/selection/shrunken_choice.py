"""Chooses and weighs branches by a few known faults, shrunken towards the weights that no label has seen.

Every fault gives every candidate a gain: how far up among normals it puts the fault (:func:`gains`). The mean gain over
faults is the candidate's figure of merit, and which faults one happens to know is its uncertainty. A proper Bayesian
bootstrap (Rubin 1981; with prior weight, Muliere and Secchi 1996) draws that: the weights of k known faults and of a
prior are Dirichlet(1, ..., 1, c), and the prior says that the label-free default is better than any other candidate by
a margin m. So the prior counts as c faults that were seen before, and loses its say as c / (c + k). What it does not
lose is a doubt d: out-of-fold normals of a branch may lie lower than new normals will, by an amount that is the
branch's own and that no number of faults shows. A branch must lead by more than that.

In each draw one candidate is best. The share of draws that it wins is its posterior probability of being the best, and
its share of the say; what the default wins stays with the default's own weights:

    w = (1 - lambda) w_default + lambda sum(w_default) v,    lambda = share of draws that the default does not win,

v the shares of the others. k = 0: the default wins every draw, lambda is 0, and nothing has changed. By 84 candidates
and one fault there is always one that finds this fault; the margin and the averaging over draws keep the winner's curse
small. How small is measured in ``benchmarks/known_faults.py``.

References: D. B. Rubin, "The Bayesian bootstrap", Annals of Statistics 9, 1981; P. Muliere and P. Secchi, "Bayesian
nonparametric predictive inference and bootstrap techniques", Annals of the Institute of Statistical Mathematics 48,
1996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_FAULTS = 6.0
"""How many faults the label-free default's prior counts as (c)."""

MARGIN = 0.1
"""By how much gain the prior holds the default for better than any other candidate (m): 10 points."""

DOUBT = 0.12
"""What out-of-fold normals of a branch may be wrong by (d)."""

PAUC = 0.1
"""The false-positive rate up to which the partial area counts, as the challenge has it."""

LEAST = 0.01
"""A candidate that wins a smaller share of draws is left out, and its say stays with the default."""


@dataclass(frozen=True)
class Choice:
    """What a few faults choose.

    Attributes
    ----------
    moved : float
        Lambda, the share of the say that left the default, in [0, 1].
    shares : ndarray of float64, shape (n_candidates,)
        Each candidate's share of the say; they add up to ``moved``.
    """

    moved: float
    shares: Floats


def gains(faults: Floats, normals: Floats, domain: NDArray[np.str_]) -> Floats:
    """Return how far up among normals each candidate puts each fault.

    The mean over faults is the arithmetic mean of the AUC against each domain's normals and the standardized partial
    AUC up to 0.1 against all normals, one third each if there are two domains: the cells of the official score of
    2022-2026, with an arithmetic mean, so that each fault has a part of it.

    Parameters
    ----------
    faults : ndarray, shape (n_faults, n_candidates)
        Scores, larger is more anomalous.
    normals : ndarray, shape (n_normals, n_candidates)
        Out-of-fold scores of train normals.
    domain : ndarray of str, shape (n_normals,)
        "source" or "target".

    Returns
    -------
    ndarray, shape (n_faults, n_candidates)
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
    columns = []
    for column in range(normals.shape[1]):
        scores, of_faults = normals[:, column], faults[:, column]
        of_domain = [_shares(scores[domain == name], of_faults) for name in np.unique(domain)]
        of_all = _partial(*_shares(scores, of_faults))
        columns.append(np.mean([*(1.0 - above - tied / 2 for above, tied in of_domain), of_all], axis=0))
    return np.stack(columns, axis=1)


def _shares(normals: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return for each value the share of normals above it, and the share that ties with it."""
    ordered = np.sort(normals)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return 1.0 - up_to / len(ordered), (up_to - below) / len(ordered)


def _partial(above: Floats, tied: Floats) -> Floats:
    """Return each fault's part of the standardized partial AUC: where its step of the ROC curve lies, ties slanting."""
    slant = np.clip(PAUC - above, 0.0, tied)
    ties = np.divide(slant**2, 2 * tied, out=np.zeros_like(tied), where=tied > 0)
    area = ties + np.maximum(PAUC - above - tied, 0.0)
    chance = PAUC**2 / 2
    standardized: Floats = (1 + (area - chance) / (PAUC - chance)) / 2
    return standardized


def choose(
    of_faults: Floats,
    of_default: Floats,
    *,
    draws: int = 1000,
    seed: int = 0,
    prior_faults: float = PRIOR_FAULTS,
    margin: float = MARGIN,
    doubt: float = DOUBT,
) -> Choice:
    """Weigh candidates by the gains of known faults.

    Parameters
    ----------
    of_faults : ndarray, shape (n_faults, n_candidates)
        The gain of each fault by each candidate.
    of_default : ndarray, shape (n_faults,)
        The gain of each fault by the label-free default.
    draws, seed : int
        Draws of the bootstrap, and the seed of the draws.
    prior_faults, margin : float
        How many faults the prior counts as, and by how much it prefers the default.
    doubt : float
        By how much the gains of a branch may be wrong, however many faults there are.

    Returns
    -------
    Choice
        Without any fault nothing moves.

    Examples
    --------
    >>> import numpy as np
    >>> choose(np.zeros((0, 3)), np.zeros(0)).moved
    0.0
    >>> choice = choose(np.tile([0.5, 0.9, 0.6], (20, 1)), np.full(20, 0.6))
    >>> choice.moved > 0.9, int(choice.shares.argmax())
    (True, 1)
    """
    n_faults, n_candidates = of_faults.shape
    if not n_faults or not n_candidates:
        return Choice(0.0, np.zeros(n_candidates))
    better = of_faults - of_default[:, None]
    weights = np.random.default_rng(seed).gamma([*[1.0] * n_faults, prior_faults], size=(draws, n_faults + 1))
    # Not divided by their sum: which candidate is best does not depend on it.
    lead = weights[:, :-1] @ (better - doubt) - margin * weights[:, -1:]
    best = lead.argmax(axis=1)
    moves = lead[np.arange(draws), best] > 0
    shares = np.bincount(best[moves], minlength=n_candidates) / draws
    shares[shares < LEAST] = 0.0
    return Choice(float(shares.sum()), shares)


def mixed(default: Floats, choice: Choice) -> Floats:
    """Return the weights of all branches after a choice.

    Parameters
    ----------
    default : ndarray, shape (n_branches,)
        The default's weights, 0 of branches that it does not have.
    choice : Choice
        Among the same branches.

    Returns
    -------
    ndarray, shape (n_branches,)
        The very same weights if nothing has moved.
    """
    if not choice.moved:
        return default
    weights: Floats = (1 - choice.moved) * default + default.sum() * choice.shares
    return weights
