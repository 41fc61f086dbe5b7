"""Streaming top-k over approximate distances, with a bound on the candidates."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Floats32, Indices


def smallest(*rough: Floats32) -> Floats32:
    """Rough distances (n, ...), the last of them (n, k) -> the k smallest (n, k)."""
    k = rough[-1].shape[1]
    if k == 1:
        return np.asarray(np.minimum.reduce([one.min(axis=1, keepdims=True) for one in rough]))
    few = [np.partition(one, k - 1, axis=1)[:, :k] if one.shape[1] > k else one for one in rough]
    return np.asarray(np.partition(np.concatenate(few, axis=1), k - 1, axis=1)[:, :k])


def limit(least: Floats32, slack: Floats) -> Floats32:
    """The k smallest rough distances (n, k) -> up to where a row may be among the nearest (n, 1), finite."""
    highest = np.finfo(np.float32).max
    furthest = np.minimum(least.max(axis=1, keepdims=True) + slack, highest)
    return np.asarray(np.nextafter(furthest.astype(np.float32), np.float32(highest)))


def met(rough: Floats32, least: Floats32, slack: Floats) -> tuple[Indices, Floats32]:
    """Rough distances (n, m) of one more block, and the k smallest so far (n, k) -> what counts of it, and k smallest.

    The first are the flat places in the block of all that may be among the nearest, and of a few more. Once there are k
    smallest, so little of a block lies below their limit that the block is looked at once.
    """
    if np.isinf(least).any():
        least = smallest(rough, least)
        return np.flatnonzero(rough <= limit(least, slack)), least
    flat = np.flatnonzero(rough <= limit(least, slack))
    if not len(flat):
        return flat, least
    query = flat // rough.shape[1]
    place = np.arange(len(flat)) - np.searchsorted(query, np.arange(len(rough)))[query]
    below = np.full((len(rough), int(place.max()) + 1), np.inf, np.float32)
    below[query, place] = rough.ravel()[flat]
    return flat, smallest(below, least)
