"""Lazy distance matrix of a large bank: computes only the distances that can affect a score.

Its values equal those of the whole matrix to the last bit, because :mod:`asdcore_plugins.stats.neighbours.search`
measures as :func:`asdcore.distances` does. A search takes n * m * D products in single precision: half a minute for
100,000 clips of 64 values on one core, minutes for 768 values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from asdcore import Without, distances
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats, Indices
from asdcore_plugins.stats.neighbours.bounded_distances import BoundedDistances
from asdcore_plugins.stats.neighbours.exact import Neighbours, neighbours
from asdcore_plugins.stats.neighbours.kernel_sums import kernel_sums
from asdcore_plugins.stats.neighbours.search import NearestRows

MEASURED = 30_000
"""Train normals of which all distances are still measured, block by block; of a larger bank a scorer spares most."""


class LazyDistances:
    """A bank's distances to itself; a row of them is measured when it is asked for.

    Parameters
    ----------
    bank
        (n, ...) features.
    metric
        "cosine" or "euclidean".
    root
        Take the roots of these distances.

    Examples
    --------
    >>> rows = LazyDistances(np.array([[0.0], [3.0], [7.0]], np.float32), "euclidean")
    >>> rows(slice(0, 1)).tolist()
    [[0.0, 3.0, 7.0]]
    """

    def __init__(self, bank: NDArray[np.float32], metric: str, *, root: bool = False) -> None:
        self._bank, self._flat, self._metric, self._root = bank, bank.reshape(len(bank), -1), metric, root

    def __call__(self, clips: slice | Indices) -> Floats:
        """Return the distances (n, n_train) of clips to all: n * n_train * D subtractions."""
        return self.between(clips, slice(None))

    def rooted(self) -> LazyDistances:
        """Return the roots of these distances."""
        return LazyDistances(self._bank, self._metric, root=True)

    def nearest(
        self, clips: Indices, members: Indices, k: int, without: Without | None = None
    ) -> tuple[Indices, Floats]:
        """Find the k nearest others of clips among ``members``.

        Parameters
        ----------
        clips
            (n,) clips of the bank.
        members
            (m,) clips that may be neighbours.
        k
            Neighbours to find.
        without
            For each clip, the clips that are not among its neighbours.

        Returns
        -------
        tuple[Indices, Floats]
            The neighbours and their distances, both (n, k), nearest first; of equally near ones the first in the bank
            first. -1 and inf for missing ones.
        """
        every = np.arange(len(members))
        bank = NearestRows(self._flat[members], self._metric, {"all": every}, members, k, root=self._root)
        index, distance = bank.nearest(self._flat[clips], clips, without)["all"]
        return np.where(index < 0, -1, members[index]), distance

    def between(self, clips: slice | Indices, others: slice | Indices) -> Floats:
        """Return the distances (n, m) of clips to others."""
        rows = distances(self._bank[clips], self._bank[others], self._metric)
        return np.asarray(np.sqrt(rows)) if self._root else rows

    def kernel_sums(self, members: Indices, bandwidth: Floats, least: Floats, without: Without | None = None) -> Floats:
        """Return :func:`asdcore_plugins.stats.neighbours.kernel_sums.kernel_sums` of all clips (n_train,)."""
        return kernel_sums(self._flat, self._metric, members, bandwidth, least, without)

    def least(
        self,
        clips: Indices,
        scale: Floats | float,
        offset: Floats | float,
        members: Mapping[str, Indices],
        counted: Flags,
    ) -> dict[str, Floats]:
        """Return :meth:`BoundedDistances.least` of clips (n,) of the bank."""
        return BoundedDistances(self.whole, self._flat[clips]).least(scale, offset, members, counted)

    @cached_property
    def whole(self) -> NearestRows:
        """The bank as it is searched."""
        return NearestRows.whole(self._flat, self._metric, root=self._root)


def find_neighbours(rows: DistanceRows, group: Indices, k: int, without: Without | None = None) -> Neighbours:
    """Find :func:`neighbours` of every clip: by a search for lazy distances, otherwise in the distances given."""
    if not isinstance(rows, LazyDistances):
        return neighbours(rows, group, k, without)
    index, distance = np.full((len(group), k + 1), -1), np.full((len(group), k + 1), np.inf)
    for label in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == label)
        index[members], distance[members] = rows.nearest(members, members, k + 1, without)
    return Neighbours(index, distance)
