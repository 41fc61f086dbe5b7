"""Measures how far train normals resemble their neighbours in time, from the normals themselves.

Clips that were cut from one recording are near-duplicates. As geostatistics reads a variogram (Matheron, Economic
Geology 58, 1963), this module relates the distance of two clips to how far apart they lie along the order of their
recording, in one domain of one machine and section, and by the features that scorers will see. Distances are cosine
distances, replaced by their ranks among all pairs, so that outliers count no more than others.

Do neighbours depend on one another?  The mean rank of clips up to 8 places apart, the nearest weighted most (1 / lag),
    is compared with the same clips in random orders. They do if not one of 999 random orders is as near. So a domain
    whose order means nothing is mistaken once in 1,000 times, and a data set with 50 pairs of machine and feature set
    at most once in 20.
How far?  Two clips that lie l apart in a recording of a clips share a part 1 - l / a of it, and nothing from a on. This
    line, level from a on at the mean of random orders, is fitted to the mean ranks by least squares over all lags up to
    half of the clips. All lags count, so noise at one of them does not end the range. The range is a - 1, the last lag
    with anything in common.

The domain with the most clips is tested first. A domain with too few clips for such a test (ten target clips) is tested
only if that one depends on its neighbours, at a level of 1 in 20, and takes over its range: both were recorded alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.int32]

ORDERS = 999
"""Random orders that a set is compared with."""

STRICT, LENIENT = 0, 49
"""Random orders that may be as near as the given one: a level of 1 in 1,000, and of 1 in 20."""

ENOUGH = 20
"""Fewest clips of a domain whose range is measured. With fewer, too few pairs lie at any lag."""

NEAR = (1, 2, 3, 5, 8)
"""Lags of the test. If states take turns, as in synthetic sets, more of these pairs differ than of all pairs."""

FEWEST = 6
"""Fewest clips of a domain that takes over a range: fewer have too few orders for a level of 1 in 20."""

MOST = 500
"""Most clips that are used: from a larger domain the first and the last half of this number, each in one piece."""

BATCH = 100
DIGITS = 6
"""Decimals of a distance, in units of the median distance, that count: later ones may differ between processors."""


@dataclass(frozen=True)
class Reach:
    """How far the train normals of one domain depend on their neighbours.

    Attributes
    ----------
    clips : int
        Train normals of the domain.
    nearness : float
        Mean rank of the distance to near clips over that of all pairs; 1 if the order means nothing.
    chance : float
        Share of random orders that are as near, the given one counted.
    range : int
        Places on either side up to which clips are alike; 0 if the test shows no dependence.

    """

    clips: int
    nearness: float = 1.0
    chance: float = 1.0
    range: int = 0


def reaches(
    features: NDArray[np.float32],
    domain: NDArray[np.str_],
    order: NDArray[np.intp],
) -> dict[str, Reach]:
    """Measure the reach of each domain of one machine and section.

    Parameters
    ----------
    features : ndarray of float32, shape (n_clips, ...)
        Features of the train normals.
    domain : ndarray of str, shape (n_clips,)
        "source" or "target".
    order : ndarray of int, shape (n_clips,)
        Places within each domain, in the order of recording.

    Returns
    -------
    dict of str to Reach
        One for each domain.

    """

    def pairs(rows: NDArray[np.intp]) -> Floats:
        picked = features[rows].astype(np.float64)
        return _cosines(picked.mean(axis=1) if picked.ndim > 2 else picked)  # of frames, their mean over time

    rows_of = {str(name): np.flatnonzero(domain == name) for name in np.unique(domain)}
    rows_of = {name: rows[np.argsort(order[rows], kind="stable")] for name, rows in rows_of.items()}
    by_domain: dict[str, Reach] = {}
    for name in sorted(rows_of, key=lambda name: (-len(rows_of[name]), name)):
        widest = max((reach.range for reach in by_domain.values()), default=0)
        by_domain[name] = _reach(rows_of[name], pairs, widest)
    return by_domain


def _reach(rows: NDArray[np.intp], measure: Callable[[NDArray[np.intp]], Floats], widest: int) -> Reach:
    """Measure one domain, its rows in order; ``widest`` is the largest range of the domains before it."""
    n = len(rows)
    if n < ENOUGH and not (widest and n >= FEWEST):
        return Reach(n)
    pieces = [np.arange(n)] if n <= MOST else [np.arange(MOST // 2), np.arange(n - MOST // 2, n)]
    ranks = _ranks(measure(rows[np.concatenate(pieces)]))
    if ranks is None:
        return Reach(n)
    size, few = len(pieces[0]), n < ENOUGH
    nearness, chance, depends = _tested(ranks, size, LENIENT if few else STRICT)
    if not depends:
        return Reach(n, nearness, chance)
    return Reach(n, nearness, chance, widest if few else _fitted(ranks, size))


def _cosines(picked: Floats) -> Floats:
    """(n, ...) -> 1 - cosine (n, n). The last bits of a matrix product may differ, so only six decimals count."""
    rows = picked.reshape(len(picked), -1)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    units = np.hstack([np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0), lengths == 0])
    apart: Floats = np.maximum(1.0 - units @ units.T, 0.0)
    return apart


def _ranks(measured: Floats) -> Ranks | None:
    """Distances (n, n) -> twice the ranks of all pairs, so that ties are whole numbers; None if all clips are equal."""
    above = np.triu_indices(len(measured), 1)
    pairs = measured[above]
    unit = float(np.median(pairs)) or float(pairs.max())
    if not unit > 0:
        return None
    ranks = np.zeros(measured.shape, dtype=np.int32)
    ranks[above] = _twice_ranked(np.rint(pairs / unit * 10**DIGITS).astype(np.int64))
    return ranks + ranks.T


def _twice_ranked(values: NDArray[np.int64]) -> Ranks:
    """Twice the rank (n,) of each value, from 1, tied values sharing the mean of theirs.

    scipy.stats.rankdata gives the same, but importing scipy.stats costs more than scoring a machine.
    """
    order = np.argsort(values)  # tied values share a rank, so their order is free, and a stable sort takes longer
    new = np.flatnonzero(np.diff(values[order], prepend=values[order[0]] - 1))
    ends = np.append(new[1:], len(values))
    ranked = np.empty(len(values), dtype=np.int32)
    ranked[order] = np.repeat((new + ends + 1).astype(np.int32), ends - new)
    return ranked


def _tested(ranks: Ranks, size: int, allowed: int) -> tuple[float, float, bool]:
    """Return nearness, chance and whether at most ``allowed`` random orders are as near; stops when more are."""
    n = len(ranks)
    lags = [lag for lag in NEAR if lag <= size // 2]
    common = int(np.lcm.reduce(lags))
    given = np.arange(n)[None]

    def near(orders: NDArray[np.intp]) -> NDArray[np.int64]:
        total = np.zeros(len(orders), dtype=np.int64)
        for start in range(0, n, size):
            piece = orders[:, start : start + size]
            for lag in lags:
                total += common // lag * ranks[piece[:, :-lag], piece[:, lag:]].sum(axis=1, dtype=np.int64)
        return total

    own = int(near(given)[0])
    usual = ranks.sum(dtype=np.int64) / (n * (n - 1)) * sum(common // lag * (size - lag) * (n // size) for lag in lags)
    rng, drawn, as_near = np.random.default_rng(0), 0, 0
    while drawn < ORDERS and as_near <= allowed:
        more = min(BATCH, ORDERS - drawn)
        as_near += int((near(rng.permuted(np.repeat(given, more, axis=0), axis=1)) <= own).sum())
        drawn += more
    return float(own / usual), (as_near + 1) / (drawn + 1), as_near <= allowed


def _fitted(ranks: Ranks, size: int) -> int:
    """Return the range: the last lag with anything in common, of the line that fits the mean ranks best."""
    n, most = len(ranks), size // 2
    sums = np.zeros(most)
    for start in range(0, n, size):
        piece = ranks[start : start + size, start : start + size]
        sums += [np.trace(piece, lag, dtype=np.int64) for lag in range(1, most + 1)]
    lags = np.arange(1, most + 1)
    pairs = (size - lags) * (n // size)
    lost = pairs - sums / (ranks.sum(dtype=np.int64) / (n * (n - 1)))  # pairs (1 - mean rank over the usual one)
    ends = np.arange(2, most + 1)
    common = np.maximum(1 - lags / ends[:, None], 0)
    # Least squares with one free slope: the best line is the one that takes off the most.
    slope = (common * lost).sum(axis=1)
    gain = np.sign(slope) * slope**2 / (common**2 * pairs).sum(axis=1)
    rounded = np.round(gain / np.abs(gain).max(), 9)
    return int(ends[rounded.argmax()]) - 1
