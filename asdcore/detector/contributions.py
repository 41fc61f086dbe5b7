"""Divides the fused score of one clip among its branches, so that the parts add up to the score.

A branch contributes what it adds to the score, the mean over all orders in which the branches may come: first every
branch takes the median of its train normals, then one after another takes what it says of the clip. For a sum this is
each term's distance from its usual value; it also divides a maximum or a gate, where no branch has a term of its own.

References
----------
Shapley (1953), A value for n-person games; Strumbelj and Kononenko (2014), Explaining prediction models and individual
predictions with feature contributions, eq. 8 (the orders drawn).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Fuse = Callable[[dict[str, Floats]], Floats]
"""{branch: values (n,)} -> the fused values (n,)."""

ALL_ORDERS = 8
"""Up to so many branches all orders count: 256 rows to fuse. With more branches :data:`ORDERS` of them are drawn."""

ORDERS = 64


def contributions(fuse: Fuse, clip: Mapping[str, float], usual: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Divide what a fusion makes of a clip among the branches.

    Parameters
    ----------
    fuse : function
        {branch: values (n,)} -> the fused values (n,), each row by itself.
    clip, usual : mapping of str to float
        What every branch says of the clip, and usually.

    Returns
    -------
    usual : float
        The fused value if every branch is as usual.
    contributions : dict of str to float
        Of each branch. With ``usual`` they add up to the fused value of the clip.

    Examples
    --------
    >>> contributions(lambda z: np.maximum(z["a"], z["b"]), {"a": 3.0, "b": 1.0}, {"a": 0.0, "b": 0.0})
    (0.0, {'a': 2.5, 'b': 0.5})
    """
    names = sorted(clip)
    divide = _by_subsets if len(names) <= ALL_ORDERS else _by_orders
    start, parts = divide(lambda taken: fuse(_rows(taken, names, clip, usual)), len(names))
    return start, dict(zip(names, parts.tolist(), strict=True))


def _rows(
    taken: NDArray[np.bool_], names: list[str], clip: Mapping[str, float], usual: Mapping[str, float]
) -> dict[str, Floats]:
    """Return {branch: (n,)}: what it says of the clip in the rows of ``taken`` (n, n_branches) that say so."""
    return {name: np.where(taken[:, i], clip[name], usual[name]) for i, name in enumerate(names)}


def _by_subsets(fused: Callable[[NDArray[np.bool_]], Floats], n: int) -> tuple[float, Floats]:
    """Average over all orders, subset by subset: row s holds the branches whose bits are set in s."""
    subsets = np.arange(1 << n)
    taken = (subsets[:, None] >> np.arange(n) & 1).astype(bool)
    values, sizes = fused(taken), taken.sum(axis=1)
    chances = np.array([factorial(size) * factorial(n - size - 1) / factorial(n) for size in range(n)])
    parts = np.empty(n)
    for i in range(n):
        without = subsets[~taken[:, i]]
        parts[i] = chances[sizes[without]] @ (values[without | 1 << i] - values[without])
    return float(values[0]), parts


def _by_orders(fused: Callable[[NDArray[np.bool_]], Floats], n: int) -> tuple[float, Floats]:
    """Average over orders that are drawn, always the same ones, each of them forwards and backwards."""
    draw = np.random.default_rng(0)
    half = np.array([draw.permutation(n) for _ in range(ORDERS // 2)])
    rank = np.argsort(np.concatenate([half, half[:, ::-1]]), axis=1)
    # Row (o, k): of order o, the branches that come before place k.
    taken = rank[:, None, :] < np.arange(n + 1)[:, None]
    values = fused(taken.reshape(-1, n)).reshape(len(rank), n + 1)
    steps = np.take_along_axis(np.diff(values, axis=1), rank, axis=1)
    return float(values[0, 0]), steps.mean(axis=0)
