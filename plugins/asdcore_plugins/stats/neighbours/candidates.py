"""Streaming top-k over approximate distances, with a bound on the candidates."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Floats32, Indices


def smallest(*rough: Floats32) -> Floats32:
    """Approximate distances (n, ...), the last array of them (n, k) -> the k smallest (n, k)."""
    k = rough[-1].shape[1]
    if k == 1:
        return np.asarray(np.minimum.reduce([block.min(axis=1, keepdims=True) for block in rough]))
    few = [np.partition(block, k - 1, axis=1)[:, :k] if block.shape[1] > k else block for block in rough]
    return np.asarray(np.partition(np.concatenate(few, axis=1), k - 1, axis=1)[:, :k])


def bound(least: Floats32, slack: Floats) -> Floats32:
    """The k smallest approximate distances (n, k) -> the bound (n, 1) below which a row may be among the nearest.

    ``slack`` (n, 1) says how much two approximate distances may be off. The bound is finite.
    """
    highest = np.finfo(np.float32).max
    furthest = np.minimum(least.max(axis=1, keepdims=True) + slack, highest)
    return np.asarray(np.nextafter(furthest.astype(np.float32), np.float32(highest)))


def add_block(rough: Floats32, least: Floats32, slack: Floats) -> tuple[Indices, Floats32]:
    """Add one more block to a running top-k.

    Parameters
    ----------
    rough
        (n, m) approximate distances of n queries to the block's rows.
    least
        (n, k) the k smallest so far.
    slack
        (n, 1) how much two approximate distances may be off.

    Returns
    -------
    tuple[Indices, Floats32]
        Flat places in the block of all rows that may be among the nearest, and of a few more; and the k smallest (n, k)
        now. Once there are k smallest, so few places lie below their bound that the block is read once.
    """
    if np.isinf(least).any():
        least = smallest(rough, least)
        return np.flatnonzero(rough <= bound(least, slack)), least
    flat = np.flatnonzero(rough <= bound(least, slack))
    if not len(flat):
        return flat, least
    query = flat // rough.shape[1]
    place = np.arange(len(flat)) - np.searchsorted(query, np.arange(len(rough)))[query]
    below = np.full((len(rough), int(place.max()) + 1), np.inf, np.float32)
    below[query, place] = rough.ravel()[flat]
    return flat, smallest(below, least)
