"""The nearest others of every train clip, in banks that lack whole sets of clips.

A clip that loses some of its nearest others gets the next ones instead. So lists that are longer than what counts, by
as many clips as a set has, are made once, and each bank looks at the clips that lost something. Where a list is used up
before enough are left, which takes larger sets than memory allows lists for, the clip's distances are looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asdcore_plugins.stats.neighbours import AT_ONCE as MET
from asdcore_plugins.stats.neighbours import TOGETHER, Neighbours, nearest
from asdcore_plugins.stats.searched import found_neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Flags = NDArray[np.bool_]

LISTED = 1 << 22
"""Neighbours of all clips that are listed, at most, for sets of more than ``FEW`` clips: 64 MiB."""

FEW = 64
"""Clips of a set that a list always makes up for."""

AT_ONCE = 1 << 20
"""Neighbours that are looked at together, at most, in a bank of ordinary size."""


@dataclass(frozen=True)
class Surroundings:
    """What is known of the distances in a bank: rows and the group (n,) whose clips are neighbours of one another.

    apart : the clips that are no neighbours of a clip, for more than itself.
    """

    rows: Rows
    group: Indices
    apart: Without | None

    def listed(self, k: int, most: int) -> Neighbours:
        """List the k nearest others of every clip, and more of them, to make up for sets of ``most`` clips."""
        return found_neighbours(self.rows, self.group, self.columns(k, most) - 1, self.apart)

    def columns(self, k: int, most: int) -> int:
        """Return how long such a list is."""
        n = len(self.group)
        return max(k, min(k + min(most, max(FEW, LISTED // n - k)), n - 1))


class NeighboursWithout:
    """The k nearest others of every clip in banks that lack the sets of ``without``.

    listed : what :meth:`Surroundings.listed` gave for sets as large.
    """

    def __init__(self, known: Surroundings, listed: Neighbours, k: int, without: Without) -> None:
        self.known, self.listed, self.k, self.without = known, listed, k, without

    def blocks(self) -> Iterator[BanksWithout]:
        """Yield the banks of some sets after the other."""
        import numpy as np

        looked = len(self.listed.index) * min(self.listed.index.shape[1], self.narrow)
        size = max(1, AT_ONCE // looked)
        for start in range(0, len(self.without.sets), size):
            yield self.banks(np.arange(start, min(start + size, len(self.without.sets))))

    def banks(self, sets: Indices) -> BanksWithout:
        """Return the banks that lack these sets (b,)."""
        import numpy as np

        gone = self.without.mask_of(sets)
        bank, row = np.nonzero(self._touched(sets) & ~gone)
        index, distance = np.full((len(row), self.k), -1), np.full((len(row), self.k), np.inf)
        short = np.arange(len(row))
        for width in sorted({min(self.narrow, self.listed.index.shape[1]), self.listed.index.shape[1]}):
            count = self._left(gone, bank, row, short, width, index, distance)
            short = short[count < self.k]
        ended = (self.listed.index[row[short]] < 0).any(axis=1) | (self.listed.index.shape[1] >= len(self.known.group))
        for i in short[~ended]:
            index[i], distance[i] = self._looked_at(int(row[i]), gone[bank[i]])
        return BanksWithout(self, sets, gone, bank, row, index, distance)

    @property
    def narrow(self) -> int:
        """How much of a list is looked at first: it mostly suffices."""
        return 2 * self.k + 8

    def _left(
        self, gone: Flags, bank: Indices, row: Indices, some: Indices, width: int, index: Indices, distance: Floats
    ) -> Indices:
        """Fill in the first k that are left of some lists (p,); returns how many there are."""
        import numpy as np

        listed = self.listed.index[row[some], :width]
        kept = ~np.take(gone.ravel(), bank[some, None] * gone.shape[1] + listed, mode="wrap")
        kept &= listed >= 0
        rank = np.cumsum(kept, axis=1)
        of, column = np.nonzero(kept & (rank <= self.k))
        place = rank[of, column] - 1
        index[some[of], place] = listed[of, column]
        distance[some[of], place] = self.listed.distance[row[some[of]], column]
        return np.asarray(rank[:, -1])

    def _looked_at(self, row: int, gone: Flags) -> tuple[Indices, Floats]:
        """Look for the k nearest others of a clip among all that are left."""
        import numpy as np

        far = np.array(self.known.rows(np.array([row])))
        apart = self.known.apart
        passed = gone | (self.known.group != self.known.group[row])
        passed[row] = True
        if apart is not None:
            passed |= apart.mask(np.array([row]))[0]
        far[0, passed] = np.inf
        index, distance = nearest(far, self.k)
        index = np.where(np.isinf(distance), -1, index)
        more = self.k - index.shape[1]
        return np.pad(index[0], (0, more), constant_values=-1), np.pad(distance[0], (0, more), constant_values=np.inf)

    def _touched(self, sets: Indices) -> Flags:
        """Say which clips lose one of the first k in each of the banks (b, n)."""
        import numpy as np

        places, starts = self._places
        clips = np.concatenate([self.without.sets[one] for one in sets])
        bank = np.repeat(np.arange(len(sets)), [len(self.without.sets[one]) for one in sets])
        count = starts[clips + 1] - starts[clips]
        ends = np.cumsum(count)
        stood = places[np.arange(int(ends[-1])) + np.repeat(starts[clips] - ends + count, count)]
        touched = np.zeros((len(sets), len(self.listed.index)), bool)
        touched[np.repeat(bank, count), stood] = True
        return touched

    @cached_property
    def _places(self) -> tuple[Indices, Indices]:
        """Clips that have one among their first k, by that one, and where each one's begin."""
        import numpy as np

        first = self.listed.index[:, : self.k]
        flat = first.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(len(first) + 1))
        return order // first.shape[1], starts


@dataclass(frozen=True)
class BanksWithout:
    """Banks of the same clips (n,), each without one of the ``sets`` (b,).

    gone : (b, n) the clips that a bank lacks. bank, row : (p,) who has lost some of its k nearest others in which bank.
    index, distance : (p, k) those it has now; -1 and inf where there are no more.
    """

    neighbours: NeighboursWithout
    sets: Indices
    gone: Flags
    bank: Indices
    row: Indices
    index: Indices
    distance: Floats

    def distances(self) -> Floats:
        """Return the distances (p, k) of the clips that lost a neighbour to the k nearest others they now have."""
        return self.distance

    def nearest(self) -> Indices:
        """Return the nearest other of every clip in every bank (b, n); -1 for none."""
        return self.filled(self.neighbours.listed.index[:, 0], self.index[:, 0])

    def nearest_distances(self) -> Floats:
        """Return how far the nearest other of every clip is in every bank (b, n); inf for none."""
        return self.filled(self.neighbours.listed.distance[:, 0], self.distance[:, 0])

    def among(self, known: Flags) -> Flags:
        """(n,) the clips that count -> (b, n) those that count in each bank: they are in it and have a neighbour."""
        import numpy as np

        return known & ~self.gone & np.isfinite(self.nearest_distances())

    def filled(self, usual: NDArray[Any], changed: NDArray[Any]) -> NDArray[Any]:
        """Lay out what is ``usual`` (n, ...), and ``changed`` (p, ...) where a neighbour was lost, for every bank."""
        import numpy as np

        laid = np.repeat(usual[None], len(self.sets), axis=0)
        laid[self.bank, self.row] = changed
        return laid

    def lists(self, bank: Indices, row: Indices) -> tuple[Indices, Floats]:
        """Return the k nearest others, and how far they are, of some clips in some banks, both (...): (..., k)."""
        import numpy as np

        k = self.neighbours.k
        index, distance = self.neighbours.listed.index[row, :k], self.neighbours.listed.distance[row, :k]
        place = self._place[bank, row]
        changed = np.nonzero(place >= 0)
        index[changed], distance[changed] = self.index[place[changed]], self.distance[place[changed]]
        return index, distance

    @cached_property
    def _place(self) -> Indices:
        """Where a clip's list stands in a bank, -1 where it is the usual one."""
        import numpy as np

        place = np.full(self.gone.shape, -1)
        place[self.bank, self.row] = np.arange(len(self.row))
        return place

    def clips(self) -> Iterator[tuple[Indices, Indices]]:
        """Yield the clips (m,) that are scored by these banks, and by which of them (m,), some after the other."""
        import numpy as np

        of = self.neighbours.without.of
        clips = np.flatnonzero((of >= self.sets[0]) & (of <= self.sets[-1]))
        size = max(TOGETHER, MET // len(of))
        for some in (clips[start : start + size] for start in range(0, len(clips), size)):
            yield some, of[some] - self.sets[0]
