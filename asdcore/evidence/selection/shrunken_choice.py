"""Chooses and weighs branches by a few known faults, shrunken towards the weights that no label has seen.

Every fault gives every candidate a gain: how far up among normals it puts the fault
(:mod:`asdcore.evidence.selection.fault_gains`). The mean gain over faults is the candidate's figure of merit. Two
things make it uncertain: which faults one happens to know, and which normals were recorded. A proper Bayesian bootstrap
(Rubin 1981; with prior weight, Muliere and Secchi 1996) draws both. The weights of k known faults and of a prior are
Dirichlet(1, ..., 1, c), and the prior says that the label-free default is better than any other candidate by a margin
m. So the prior counts as c faults that were seen before, and loses its say as c / (c + k). Normals are drawn by groups,
since clips of one recording are near-duplicates: what that leaves uncertain, no number of faults can take away. Nor can
it take away what the model without a fold, or normals that were recorded together, are wrong by: a doubt d, by which a
candidate must lead however many faults there are.

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

DOUBT = 0.05
"""What the lead of a branch may be wrong by however many faults there are (d): twice the 2.5 points that leads among
train normals were off those among new normals, root mean square, on real and on made-up machines."""

LEAST = 0.01
"""A candidate that wins a smaller share of draws is left out, and its say stays with the default."""

DIGITS = 9
"""Decimals of a lead that count: candidates with the same gains tie on any processor, and the first one wins."""


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
    of_faults : ndarray, shape (n_normal_draws, n_faults, n_candidates) or (n_faults, n_candidates)
        The gain of each fault by each candidate, among each draw of the normals; the latter among normals that are
        taken for certain.
    of_default : ndarray, shape (n_normal_draws, n_faults) or (n_faults,)
        The gain of each fault by the label-free default.
    draws, seed : int
        Draws of the bootstrap, at least one for each draw of the normals, and the seed of the draws.
    prior_faults, margin : float
        How many faults the prior counts as, and by how much it prefers the default.
    doubt : float
        By how much a candidate must lead however many faults there are.

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
    n_faults, n_candidates = of_faults.shape[-2:]
    if not n_faults or not n_candidates:
        return Choice(0.0, np.zeros(n_candidates))
    better = (of_faults - of_default[..., None]).reshape(-1, n_faults, n_candidates)
    each = -(-draws // len(better))
    shape = [*[1.0] * n_faults, prior_faults]
    weights = np.random.default_rng(seed).gamma(shape, size=(len(better), each, n_faults + 1))
    # Not divided by their sum: which candidate is best does not depend on it.
    lead = np.round(weights[..., :-1] @ (better - doubt) - margin * weights[..., -1:], DIGITS).reshape(-1, n_candidates)
    best = lead.argmax(axis=1)
    moves = lead[np.arange(len(lead)), best] > 0
    shares = np.bincount(best[moves], minlength=n_candidates) / len(lead)
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
