"""Distances of new clips to a large bank, bounded from below; the few that can affect a score are measured.

Products in single precision (:mod:`asdcore_plugins.stats.neighbours.search`) bound every distance. A distance that is
measured has the bits of :func:`asdcore.distances`, so a score that looks at these alone has the bits of the whole
matrix.

Time: n * m * D products, and some passes over n * m bounds. Memory: 32 bytes for each of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.neighbours.exact import nearest
from asdcore_plugins.stats.neighbours.prepared_rows import Features
from asdcore_plugins.stats.neighbours.search import NearestRows


@dataclass(frozen=True)
class BoundedDistances:
    """The distances of clips to a bank.

    Parameters
    ----------
    bank
        The bank, with one reference that holds all its rows.
    clips
        (n, D) features of the clips.

    Examples
    --------
    >>> rows, every = np.array([[0.0], [3.0], [10.0]]), np.arange(3)
    >>> far = BoundedDistances(NearestRows(rows, "euclidean", {"all": every}, every), np.array([[4.0]]))
    >>> bool((far.lower <= [[4.0, 1.0, 6.0]]).all())
    True
    >>> [values.tolist() for values in far.nearest(0, every, 2)]
    [[1, 0], [1.0, 4.0]]
    """

    bank: NearestRows
    clips: Features

    @cached_property
    def lower(self) -> Floats:
        """Bounds (n, m): no distance is smaller."""
        return self.bank.at_least(self.clips)

    def exactly(self, clip: int, others: Indices) -> Floats:
        """Measure the distances of one clip to rows of the bank: (p,)."""
        return self.bank.exactly(self.clips[clip], others)

    def nearest(self, clip: int, members: Indices, k: int) -> tuple[Indices, Floats]:
        """Find the k nearest of some rows to one clip.

        Parameters
        ----------
        clip
            The clip's place.
        members
            (m,) rows that count.
        k
            Rows to find; all members if there are fewer.

        Returns
        -------
        tuple[Indices, Floats]
            The rows and their distances, both (k,), nearest first; of equally near ones the first of the members first.
        """
        if k < len(members):
            lower = np.take(self.lower[clip], members)
            few = np.array([lower.argmin()]) if k == 1 else np.argpartition(lower, k - 1)[:k]
            members = members[lower <= self.exactly(clip, members[few]).max()]
        columns, distance = nearest(self.exactly(clip, members)[None], k)
        return members[columns[0]], distance[0]

    def least(
        self,
        scale: Floats | float,
        offset: Floats | float,
        members: Mapping[str, Indices],
        counted: Flags | None = None,
    ) -> dict[str, Floats]:
        """Return the minimum over y of d(x, y) / scale(y) - offset(y).

        Parameters
        ----------
        scale, offset
            (n, m), (1, m), (m,) or one number for all; the scales that count are positive.
        members
            {reference: its rows}.
        counted
            (n, m) the rows y that each clip x is compared with; None for all.

        Returns
        -------
        dict[str, Floats]
            {reference: minimum (n,)}; inf if nothing counts.
        """
        scales, offsets = np.broadcast_to(scale, self.lower.shape), np.broadcast_to(offset, self.lower.shape)
        judged = self.lower / scale - offset
        if counted is not None:
            judged[~counted] = np.inf
        minimum = {name: np.full(len(judged), np.inf) for name in members}
        for i, below in enumerate(judged):
            for name, others in members.items():
                lower = np.take(below, others)
                first = others[[lower.argmin()]]
                if below[first[0]] < np.inf:
                    bound = self._judged(i, first, scales[i], offsets[i]).min()
                    minimum[name][i] = self._judged(i, others[lower <= bound], scales[i], offsets[i]).min()
        return minimum

    def _judged(self, clip: int, others: Indices, scale: Floats, offset: Floats) -> Floats:
        """Judge the distances of a clip to rows (p,), by the scale and offset of all (m,)."""
        return np.asarray(self.exactly(clip, others) / scale[others] - offset[others])
