"""Repeated train clips: copies of a clip count once, however often it was recorded.

A recorder that writes one file over and over makes clips of which each has others at no distance. As neighbours they
say that normal clips lie infinitely dense there. So of clips that are the same one stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore import Without
from asdcore_plugins.stats.neighbours.lazy_distances import find_neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.neighbours.exact import Neighbours, Rows

    Indices = NDArray[np.intp]

SAME = 1e-9
"""Clips are the same that are nearer to one another than this share of the median distance to the nearest other."""


@dataclass(frozen=True)
class Places:
    """first : (n,) the clip that stands for a clip of the bank, -1 for a clip that is not of the bank.

    other : (n,) a clip at the same place as this one, which is none of those that stand for others; itself otherwise.
    """

    first: Indices
    other: Indices

    @property
    def clips(self) -> Indices:
        """The clips that stand for themselves, and for those that are the same."""
        import numpy as np

        return np.flatnonzero(self.first == np.arange(len(self.first)))

    @property
    def alone(self) -> Indices:
        """The clips without which the bank has one place less."""
        import numpy as np

        count = np.bincount(self.first[self.first >= 0], minlength=len(self.first))
        return np.asarray(self.clips[count[self.clips] == 1])

    def of(self, group: Indices) -> Indices:
        """(n,) groups of clips -> the same for those that stand for a place, and -1."""
        import numpy as np

        return np.where(self.first == np.arange(len(self.first)), group, -1)

    def reduced(self, without: Without) -> Without:
        """Return which places each clip must not rest on: those all of whose clips it must not rest on."""
        import numpy as np

        if len(self.clips) == (self.first >= 0).sum():
            return without
        count, sets = np.bincount(self.first[self.first >= 0], minlength=len(self.first)), []
        for some in without.sets:
            first = self.first[some]
            gone = np.bincount(first[first >= 0], minlength=len(self.first))
            sets.append(np.flatnonzero((gone == count) & (count > 0)))
        return Without.of_sets(sets, without.of, without.n)


def places(rows: Rows, group: Indices, near: Neighbours) -> Places:
    """Say which clips are the same as others of their group (n,), by how far the nearest of these others are.

    group : -1 for clips that are not of the bank.
    """
    import numpy as np

    n, every = len(group), np.arange(len(group))
    first = np.where(group >= 0, every, -1)
    while len(same := _same(near)):
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        index = near.index[:, 0]
        links = coo_array((np.ones(len(same)), (same, index[same])), shape=(n, n))
        label = connected_components(links, directed=False)[1]
        lowest = np.full(n, n)
        np.minimum.at(lowest, label, every)
        first = np.where(first >= 0, lowest[label[np.maximum(first, 0)]], -1)
        near = find_neighbours(rows, Places(first, every).of(group), 0)
    other, copies = every.copy(), np.flatnonzero((first >= 0) & (first != every))
    other[first[copies]] = copies
    return Places(first, other)


def some_repeated(near: Neighbours) -> bool:
    """Whether the nearest other of some clip is the same."""
    return len(_same(near)) > 0


def _same(near: Neighbours) -> Indices:
    """Return the clips whose nearest other is the same."""
    import numpy as np

    distance = near.distance[:, 0]
    positive = distance[(distance > 0) & np.isfinite(distance)]
    return np.flatnonzero(distance <= (SAME * np.median(positive) if len(positive) else 0.0))
