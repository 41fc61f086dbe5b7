"""Draws the weights of clips: for bootstrap replicates, for clips left out, and for swapped systems.

Clips are drawn within their stratum (machine, section, domain and label), since the challenge fixes how many clips of
each a test set has. A clip alone in its stratum is in every replicate. All systems share the same draws, so that what
one clip does to all of them cancels in a difference.

Every stratum has a random generator of its own, Philox (Salmon et al., SC 2011) keyed by SHA-256 of the seed and the
stratum's name. So its draws do not depend on what else is evaluated, and the first 500 of 2,000 are those of 500.

Clips that were cut from one recording are drawn together, or the intervals would count them as independent: the
bootstrap and the jackknife of clusters. Within a stratum of a single recording there is nothing else to draw than its
clips.

Weights are whole numbers, in float32 as long as that holds every sum of their halves.

References
----------
A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", Cambridge University Press, 1997, section
3.8: of data in groups the groups are drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import EvaluationError

Weights = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]
Stratum = tuple[str, Indices]
"""A stratum's name, and the positions of its clips among those of the section, in the order of their names."""


EXACT = 1 << 22
"""Clips of a section up to which float32 holds the sums exactly: it holds halves below 2**23."""


def precision(n_clips: int) -> type[np.floating[Any]]:
    """Return the type that sums of this many clips' weights, and of their halves, are exact in."""
    return np.float32 if n_clips <= EXACT else np.float64


MOST = 1_000_000
"""Replicates, or permutations, that may be drawn: a percentile is then exact to four digits."""


def check_draws(what: str, number: int) -> None:
    """Raise EvaluationError if more replicates or permutations are asked for than anyone needs."""
    if number > MOST:
        raise EvaluationError(f"{what} is {number}; at most {MOST:,} are allowed, and 2000 are usual.")


def generator(seed: int, *name: str) -> np.random.Generator:
    """Return the generator that belongs to a seed and a name."""
    digest = hashlib.sha256(json.dumps([seed, *name]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def units(clips: Indices, recordings: Indices | None) -> Indices:
    """Return the number of the unit that each clip of a stratum is drawn with, (n,) from 0 on in the clips' order.

    recordings : (n_clips,) the number of the recording of each clip of the section; None: all clips are of their own.
    """
    alone = np.arange(len(clips), dtype=np.intp)
    if recordings is None:
        return alone
    _, first, unit = np.unique(recordings[clips], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[unit] if len(first) > 1 else alone


def bootstrap_weights(
    strata: Sequence[Stratum], replicates: int, seed: int, recordings: Indices | None = None
) -> Weights:
    """How often each clip of a section is drawn, (n_clips, replicates): with replacement within each stratum.

    recordings : as of :func:`units`.
    """
    check_draws("replicates", replicates)
    drawn_with = [units(clips, recordings) for _, clips in strata]
    most = sum((int(unit.max()) + 1) * int(np.bincount(unit).max()) for unit in drawn_with)
    weights = np.zeros((sum(len(clips) for _, clips in strata), replicates), precision(most))
    for (name, clips), unit in zip(strata, drawn_with, strict=True):
        n = int(unit.max()) + 1
        drawn = generator(seed, "bootstrap", name).integers(0, n, (replicates, n))
        places = drawn * replicates + np.arange(replicates)[:, None]
        weights[clips] = np.bincount(places.ravel(), minlength=n * replicates).reshape(n, replicates)[unit]
    return weights


def left_out_weights(strata: Sequence[Stratum], recordings: Indices | None = None) -> Weights:
    """(n_clips, n_clips): column i leaves the unit of clip i out, or nothing if it is the only one of its stratum.

    recordings : as of :func:`units`.
    """
    n = sum(len(clips) for _, clips in strata)
    weights = np.ones((n, n), precision(n))
    for _, clips in strata:
        unit = units(clips, recordings)
        if unit.max() > 0:
            weights[np.ix_(clips, clips)] = unit[:, None] != unit[None]
    return weights


def swaps(name: str, n_clips: int, permutations: int, seed: int, recordings: Indices | None = None) -> Weights:
    """(n_clips, permutations) of 0 and 1: whether two systems swap their ranks of a clip, each with probability 1/2.

    Clips of one recording are swapped together, whichever stratum they are of; of a single recording one by one.
    recordings : as of :func:`units`.
    """
    alone = generator(seed, "swap", name).integers(0, 2, (permutations, n_clips), np.int8)
    together = alone[:, units(np.arange(n_clips), recordings)]
    return together.T.astype(precision(2 * n_clips), order="C")
