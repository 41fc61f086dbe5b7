"""How far train normals resemble their neighbours in time, read from the normals themselves.

Clips that were cut from one recording are near-duplicates. So, as geostatistics reads a variogram (Matheron, Economic
Geology 58, 1963), the distance of two clips is looked at as a function of how far apart they lie along the order of
their recording, in one domain of one machine and section, and by the features that scorers will see. Distances are
cosine distances, replaced by their ranks among all pairs: outliers count no more than others.

Is there any?  The mean rank of clips up to 8 places apart, the nearest weighted most (1 / lag), against the same clips
    in random orders. Where not one of 999 random orders is as near, there is. So a domain whose order means nothing is
    mistaken once in 1,000 times, and a data set with 50 pairs of machine and feature set at most once in 20.
How far?  A recording of a clips leaves in common to clips l apart a share 1 - l / a, until nothing is left. This line,
    level from a on at the mean of random orders, is fitted to the mean ranks by least squares over all lags up to half
    of the clips. All lags count, so noise at one of them ends nothing. The range is a - 1, the last lag with anything.

The domain with the most clips is asked first. Another one of too few clips for such a test (ten target clips) is asked
only where that one depends on its neighbours, at 1 in 20, and takes over its range: both were recorded alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.int32]

ORDERS = 999
"""Random orders that a set is held against."""

STRICT, LENIENT = 0, 49
"""Random orders that may be as near as the given one: a level of 1 in 1,000, and of 1 in 20."""

ENOUGH = 20
"""Clips of a domain from which a range is read. Below, too few pairs lie at any lag."""

NEAR = (1, 2, 3, 5, 8)
"""Lags of the test. Where states take turns, as in made-up sets, more of these pairs differ than of all pairs."""

FEWEST = 6
"""Clips of a domain that takes over a range: fewer have too few orders for a level of 1 in 20."""

MOST = 500
"""Clips that are looked at: of a larger domain the first and the last half of so many, each in one piece."""

BATCH = 100
DIGITS = 6
"""Decimals of a distance, in units of the median one, that count: others may differ between processors."""


@dataclass(frozen=True)
class Reach:
    """How far the train normals of one domain depend on their neighbours.

    clips : how many there are. nearness : mean rank of the distance to near clips over that of all pairs, 1 where order
    means nothing. chance : share of random orders that are as near, the given one counted. range : places on either
    side up to which clips are alike; 0 where the test finds no dependence.
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
    """Return the reach of each domain of one machine and section.

    features : (n_clips, ...) of train normals. domain : (n_clips,). order : (n_clips,), places within each domain.
    """

    def pairs(some: NDArray[np.intp]) -> Floats:
        picked = features[some].astype(np.float64)
        return _cosines(picked.mean(axis=1) if picked.ndim > 2 else picked)  # of frames, their mean over time

    rows = {str(one): np.flatnonzero(domain == one) for one in np.unique(domain)}
    rows = {one: some[np.argsort(order[some], kind="stable")] for one, some in rows.items()}
    found: dict[str, Reach] = {}
    for one in sorted(rows, key=lambda one: (-len(rows[one]), one)):
        widest = max((reach.range for reach in found.values()), default=0)
        found[one] = _reach(rows[one], pairs, widest)
    return found


def _reach(rows: NDArray[np.intp], measure: Callable[[NDArray[np.intp]], Floats], widest: int) -> Reach:
    """Look at one domain, in order; ``widest`` is the range that another one has."""
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
    """(n, ...) -> 1 - cosine (n, n). A product of matrices may differ in its last bits: six decimals count."""
    rows = picked.reshape(len(picked), -1)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    units = np.hstack([np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0), lengths == 0])
    apart: Floats = np.maximum(1.0 - units @ units.T, 0.0)
    return apart


def _ranks(measured: Floats) -> Ranks | None:
    """Distances (n, n) -> the ranks of all pairs, twice, so that ties are whole numbers; None where all clips agree."""
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
    order = np.argsort(values, kind="stable")
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
