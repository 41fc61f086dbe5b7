"""The nearest rows of a large bank, exact, and the same to the last bit in any company.

Products in single precision say roughly how far all rows are, fast. Those that may be among the nearest, by what
rounding can have done, are few: their distances are summed anew in double precision from differences, in an order that
depends on the pair alone. Rows are moved to the middle of the bank beforehand, so that rounding is small beside what
sets them apart.

Time: n * m * D products. Memory: the bank twice, in its own and in single precision, and some 50 MB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from asdcore_plugins.stats.neighbours import mean_nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Floats32 = NDArray[np.float32]
    Features = Floats32 | Floats
    Indices = NDArray[np.intp]

QUERIES = 256
"""Queries that are looked up together."""

ROUGH = 1 << 19
"""Rough distances that are held at once: 2 MiB stay in a core's cache."""

PREPARED = 1 << 17
"""Numbers of rows in double precision that are held at once: 1 MiB."""

SAMPLED = 1024
"""Rows, at most, whose mean is taken for the middle of the bank."""

PAIRS = 1 << 20
"""Pairs of a query and a row that may be near: with more, fewer queries are looked up together."""

FAR = 1e6
"""In radii of the bank: of a query farther off, single precision says nothing, and all rows are measured."""


class NearestRows:
    """A bank of rows (m, D), in several references that are each some of them.

    metric : "cosine" (half of one minus the cosine similarity) or "euclidean", as :func:`asdcore.distances` has them.
    members : {reference: indices of rows}. owner : (m,) the clip that each row is of. k : neighbours.
    """

    def __init__(self, rows: Features, metric: str, members: Mapping[str, Indices], owner: Indices, k: int = 1) -> None:
        import numpy as np

        self._metric, self._k = metric, k
        # Rows of the same references lie side by side, so that each is looked at once.
        code = np.zeros(len(rows), np.intp)
        for bit, some in enumerate(members.values()):
            code[some] += 1 << bit
        order = np.argsort(code, kind="stable")
        self._place, code = np.argsort(order), code[order]
        starts = [int(start) for start in np.flatnonzero(np.diff(code, prepend=0))]
        self._parts = [slice(*ends) for ends in zip(starts, [*starts[1:], len(code)], strict=True)]
        self._of = {
            name: [place for place, start in enumerate(starts) if code[start] >> bit & 1]
            for bit, name in enumerate(members)
        }
        self._rows, self._owner = rows[order], owner[order]
        self._draw()

    def distances(self, rows: Features, owner: Indices | None = None) -> dict[str, Floats]:
        """(n, D) -> {reference: mean distance to the k nearest rows (n,)}, rows of the same ``owner`` (n,) passed over.

        Where there are fewer rows than k, the mean over those there are.
        """
        import numpy as np

        means = {name: np.empty(len(rows)) for name in self._of}
        for start in range(0, len(rows), QUERIES):
            block = slice(start, start + QUERIES)
            near = self._nearest(prepared(rows[block], self._metric), None if owner is None else owner[block])
            for name, squares in near.items():
                means[name][block] = mean_nearest(
                    squares / 4.0 if self._metric == "cosine" else np.sqrt(squares), self._k
                )
        return means

    def distances_left_out(self) -> dict[str, Floats]:
        """Return :meth:`distances` of the bank's own rows (m,), those of the same owner passed over."""
        return {name: one[self._place] for name, one in self.distances(self._rows, self._owner).items()}

    def _draw(self) -> None:
        """Lay the bank out in single precision: about its middle, shrunk by a power of two to a radius of at most 1."""
        import numpy as np

        # Any middle will do, so that of some rows does.
        self._middle = prepared(self._rows[:: -(-len(self._rows) // SAMPLED)], self._metric).mean(axis=0)
        largest = 1.0 if self._metric == "cosine" else float(max(self._rows.max(), -self._rows.min()))
        self._scale = _shrinking(largest)
        self._drawn = np.empty((len(self._rows), len(self._middle)), np.float32)
        lengths = np.empty(len(self._rows))
        size = max(1, PREPARED // len(self._middle))
        for block in (slice(start, start + size) for start in range(0, len(lengths), size)):
            rows = prepared(self._rows[block], self._metric)
            rows -= self._middle
            rows *= self._scale
            self._drawn[block] = rows
            lengths[block] = np.square(rows, out=rows).sum(axis=1)
        again = _shrinking(float(np.sqrt(lengths.max())))
        self._drawn *= np.float32(again)
        self._lengths = (lengths * again**2).astype(np.float32)
        self._scale *= again
        self._reach = 1.0 + self._scale * float(np.sqrt(np.square(self._middle).sum()))

    def _nearest(self, queries: Floats, owner: Indices | None) -> dict[str, Floats]:
        """Prepared queries (n, D) -> {reference: squared distances (n, k) of the k nearest}, inf for missing."""
        import numpy as np

        found = self._possible(queries, owner)
        if found is None:
            half = len(queries) // 2
            first = self._nearest(queries[:half], None if owner is None else owner[:half])
            second = self._nearest(queries[half:], None if owner is None else owner[half:])
            return {name: np.concatenate([first[name], second[name]]) for name in first}
        query, row = found
        squares = np.empty(len(row))
        size = max(1, PREPARED // queries.shape[1])
        for start in range(0, len(row), size):
            some = slice(start, start + size)
            rows = prepared(self._rows[row[some]], self._metric)
            rows -= queries[query[some]]
            squares[some] = np.square(rows, out=rows).sum(axis=1)
        order = np.lexsort((squares, query))
        query, row, squares = query[order], row[order], squares[order]
        return {name: self._first(query, row, squares, name, len(queries)) for name in self._of}

    def _first(self, query: Indices, row: Indices, squares: Floats, name: str, n: int) -> Floats:
        """Take of sorted pairs the first k of each query (n, k) in a reference; inf where there are fewer."""
        import numpy as np

        inside = np.zeros(len(row), bool)
        for part in self._of[name]:
            inside |= (row >= self._parts[part].start) & (row < self._parts[part].stop)
        query, squares = query[inside], squares[inside]
        place = np.arange(len(query)) - np.searchsorted(query, np.arange(n))[query]
        first = np.full((n, self._k), np.inf)
        kept = place < self._k
        first[query[kept], place[kept]] = squares[kept]
        return first

    def _possible(self, queries: Floats, owner: Indices | None) -> tuple[Indices, Indices] | None:
        """Find which rows may be among the k nearest of a query: (query, row), (p,) each; None where they are many."""
        import numpy as np

        n, (far, slack) = len(queries), self._seen(queries)
        width, least, found = max(1, ROUGH // n), {}, []
        for place, part in enumerate(self._parts):
            least[place] = np.full((n, self._k), np.inf, np.float32)
            for start in range(part.start, part.stop, width):
                block = slice(start, min(start + width, part.stop))
                rough = far @ self._drawn[block].T
                rough += self._lengths[block]
                if owner is not None:
                    rough[owner[:, None] == self._owner[block]] = np.inf
                least[place] = _least(rough, least[place])
                flat = np.flatnonzero(rough <= _limit(least[place], slack))
                query, row = np.divmod(flat, rough.shape[1])
                found.append((query, row + start, rough.ravel()[flat]))
                if n > 1 and sum(len(one[0]) for one in found) > PAIRS:
                    return None
        query, row, values = (np.concatenate(some) for some in zip(*found, strict=True))
        part_of = np.searchsorted([part.stop for part in self._parts], row, side="right")
        possible = np.zeros(len(row), bool)
        for places in self._of.values():
            limit = _limit(_least(*(least[place] for place in places)), slack)[query, 0]
            possible |= np.isin(part_of, places) & (values <= limit)
        return query[possible], row[possible]

    def _seen(self, queries: Floats) -> tuple[Floats32, Floats]:
        """Prepared queries (n, D) -> -2 times them, as the bank is drawn, and how much two rough distances may be off.

        The difference of two squared distances is off by no more than the second (n, 1), inf for a query that is too
        far. A sum of D products is off by at most D eps times the sum of their sizes, however it is made, and drawing
        moves a row by eps of its distance from the middle, or by what double precision leaves of it.
        """
        import numpy as np

        reach = np.sqrt(np.square(queries).sum(axis=1, keepdims=True)) * self._scale + self._reach
        drawn = (queries - self._middle) * self._scale
        span = np.sqrt(np.square(drawn).sum(axis=1, keepdims=True)) + 1.0
        eps, fine = np.finfo(np.float32).eps, np.finfo(np.float64).eps
        slack = 2.0 * span * ((drawn.shape[1] + 16) * eps * span + 8.0 * fine * reach)
        too_far = ~(span < FAR)
        return np.where(too_far, 0.0, -2.0 * drawn).astype(np.float32), np.where(too_far, np.inf, slack)


def _shrinking(largest: float) -> float:
    """Return the power of two that shrinks what is ``largest`` to 1/2 to 1; 1 for nothing."""
    return 2.0 ** -math.ceil(math.log2(largest)) if largest > 0 else 1.0


def _least(*rough: Floats32) -> Floats32:
    """Rough distances (n, ...), the last of them (n, k) -> the k smallest (n, k)."""
    import numpy as np

    k = rough[-1].shape[1]
    if k == 1:
        return np.asarray(np.minimum.reduce([one.min(axis=1, keepdims=True) for one in rough]))
    few = [np.partition(one, k - 1, axis=1)[:, :k] if one.shape[1] > k else one for one in rough]
    return np.asarray(np.partition(np.concatenate(few, axis=1), k - 1, axis=1)[:, :k])


def _limit(least: Floats32, slack: Floats) -> Floats32:
    """The k smallest rough distances (n, k) -> up to where a row may be among the nearest (n, 1), finite."""
    import numpy as np

    limit = np.minimum(least.max(axis=1, keepdims=True) + slack, np.finfo(np.float32).max)
    return np.asarray(np.nextafter(limit.astype(np.float32), np.float32(np.finfo(np.float32).max)))


def prepared(features: Features, metric: str) -> Floats:
    """(n, D) -> (n, D), or (n, D + 1) of unit length for the cosine; a zero vector points along the last axis."""
    import numpy as np

    if metric == "euclidean":
        return np.array(features, dtype=np.float64, order="C")
    rows = np.empty((len(features), features.shape[1] + 1))
    values = rows[:, :-1]
    values[:] = features
    length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    np.divide(values, length, out=values, where=length > 0)
    rows[:, -1:] = length == 0
    return rows
