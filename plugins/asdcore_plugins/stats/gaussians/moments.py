"""Sums over the centred clips of a bank, from which the sum of |x + v|^4 follows for any v without looking at clips.

For n clips x of one group, |x + v|^4 = (|x|^2 + 2 x'v + |v|^2)^2 adds up to

    sum |x|^4 + 4 v'S v + n |v|^4 + 4 v'sum |x|^2 x + 2 |v|^2 sum |x|^2 + 4 |v|^2 v'sum x

with S the sum of x x'. So the shrinkage of a bank without some of its clips takes as long as the matrix S has values,
however many clips there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Indices

AT_ONCE = 1 << 19
"""Values of clips that are handled together: 4 MiB."""


@dataclass(frozen=True)
class Moments:
    """Sums over the clips of each group.

    Parameters
    ----------
    counts
        (groups,) clips.
    sums
        (groups, r) sum of x.
    squares, fourths
        (groups,) sums of |x|^2 and |x|^4.
    cubes
        (groups, r) sum of |x|^2 x.
    scatter
        (groups, r, r) sum of x x'; for a single group (1, r), its diagonal, for clips in their singular vectors.

    Examples
    --------
    >>> moments = Moments.of(np.array([[-1.0], [0.0], [1.0]]), np.zeros(3, np.intp), np.array([2.0]))
    >>> moments.shifted(0, np.array([[0.0], [1.0], [3.0]])).tolist()
    [2.0, 17.0, 353.0]
    """

    counts: Indices
    sums: Floats
    squares: Floats
    fourths: Floats
    cubes: Floats
    scatter: Floats

    @classmethod
    def of(cls, clips: Floats, group: Indices, scatter: Floats) -> Self:
        """Add up clips (n, r) of groups (n,); ``scatter`` (r,) is the diagonal of the scatter of all."""
        groups, width = int(group.max()) + 1, clips.shape[1]
        squares, fourths = np.zeros(groups), np.zeros(groups)
        sums, cubes = np.zeros((groups, width)), np.zeros((groups, width))
        each = scatter[None].copy() if groups == 1 else np.zeros((groups, width, width))
        for block in blocks(len(clips), width):
            for g in np.unique(group[block]):
                rows = clips[block][group[block] == g]
                lengths = np.square(rows).sum(axis=1)
                squares[g] += lengths.sum()
                fourths[g] += np.square(lengths).sum()
                sums[g] += rows.sum(axis=0)
                cubes[g] += lengths @ rows
                if groups > 1:
                    each[g] += rows.T @ rows
        return cls(np.bincount(group), sums, squares, fourths, cubes, each)

    def shifted(self, group: int, by: Floats) -> Floats:
        """Return the sum of |x + v|^4 over the clips of a group for each row v of ``by`` (b, r): (b,)."""
        lengths = np.square(by).sum(axis=1)
        scatter = self.scatter[group]
        stretched = by * scatter if scatter.ndim == 1 else by @ scatter
        total = self.fourths[group] + 4.0 * (stretched * by).sum(axis=1) + self.counts[group] * np.square(lengths)
        total += 4.0 * (by @ self.cubes[group]) + 2.0 * lengths * self.squares[group]
        return np.asarray(total + 4.0 * lengths * (by @ self.sums[group]))


def blocks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows of ``width`` values into blocks that are handled together."""
    size = max(1, AT_ONCE // max(1, width))
    yield from (slice(start, min(start + size, n)) for start in range(0, n, size))
