"""Exact search for the nearest rows of a large bank; the company of other rows changes no bit of the result.

Products in single precision say roughly how far all rows are, fast. Those that may be among the nearest, by what
rounding can have done, are few: their distances are summed anew in double precision from differences, in an order that
depends on the pair alone. Rows are moved to the middle of the bank beforehand, so that rounding is small beside what
sets them apart.

Time: n * m * D products. Memory: the bank twice, in its own and in single precision, and some 50 MB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from asdcore import Without
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.neighbours.candidates import limit, met, smallest
from asdcore_plugins.stats.neighbours.exact import mean_nearest
from asdcore_plugins.stats.neighbours.excluded_rows import ExcludedRows

Features = Floats32 | Floats


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
    root : the roots of these distances, of which more are equal.
    """

    def __init__(
        self,
        rows: Features,
        metric: str,
        members: Mapping[str, Indices],
        owner: Indices,
        k: int = 1,
        *,
        root: bool = False,
    ) -> None:
        self._metric, self._k, self._root = metric, k, root
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

    def distances(
        self, rows: Features, owner: Indices | None = None, without: Without | None = None
    ) -> dict[str, Floats]:
        """(n, D) -> {reference: mean distance to the k nearest rows (n,)}, rows of the same ``owner`` (n,) passed over.

        without : the owners whose rows are passed over, for more than its own. Where there are fewer rows than k, the
        mean over those there are.
        """
        means = {name: np.empty(len(rows)) for name in self._of}
        for start in range(0, len(rows), QUERIES):
            block = slice(start, start + QUERIES)
            near = self._nearest(prepared(rows[block], self._metric), self._passed(owner, block, without))
            for name, (_, distance) in near.items():
                means[name][block] = mean_nearest(distance, self._k)
        return means

    def distances_left_out(self, without: Without | None = None) -> dict[str, Floats]:
        """Return :meth:`distances` of the bank's own rows (m,), those of the same owner passed over."""
        return {name: one[self._place] for name, one in self.distances(self._rows, self._owner, without).items()}

    def nearest(
        self, rows: Features, owner: Indices | None = None, without: Without | None = None
    ) -> dict[str, tuple[Indices, Floats]]:
        """(n, D) -> {reference: (rows of the bank, distances) of the k nearest (n, k)}, nearest first.

        Of equally near ones, the first in the bank is the nearer, where there is one reference; -1 and inf for missing.
        ``owner`` and ``without`` as in :meth:`distances`.
        """
        index = {name: np.full((len(rows), self._k), -1) for name in self._of}
        distance = {name: np.empty((len(rows), self._k)) for name in self._of}
        there = np.append(np.argsort(self._place), -1)
        for start in range(0, len(rows), QUERIES):
            block = slice(start, start + QUERIES)
            near = self._nearest(prepared(rows[block], self._metric), self._passed(owner, block, without))
            for name, (found, how_far) in near.items():
                index[name][block], distance[name][block] = there[found], how_far
        return {name: (index[name], distance[name]) for name in self._of}

    def _passed(self, owner: Indices | None, block: slice, without: Without | None) -> ExcludedRows | None:
        """Say which rows the queries of a block pass over."""
        if owner is None:
            return None
        return ExcludedRows(owner[block], self._owner, None if without is None else without.mask(owner[block]))

    def at_least(self, rows: Features) -> Floats:
        """(n, D) -> distances (n, m) to all rows of the bank, rough: none is more than the exact one."""
        queries = prepared(rows, self._metric)
        far, slack = self._seen(queries)
        lengths = np.square((queries - self._middle) * self._scale).sum(axis=1, keepdims=True)
        # What is added leaves room for the rounding of the roots.
        squares = (far @ self._drawn.T).astype(np.float64)
        squares += self._lengths
        squares += lengths - 2.0 * slack
        np.maximum(squares, 0.0, out=squares)
        squares *= self._scale**-2
        return self._measured(squares)[:, self._place]

    def exactly(self, row: Features, some: Indices) -> Floats:
        """(D,) -> distances (p,) to some rows of the bank."""
        return self._measured(self._squares(prepared(row[None], self._metric), np.zeros_like(some), self._place[some]))

    def _draw(self) -> None:
        """Lay the bank out in single precision: about its middle, shrunk by a power of two to a radius of at most 1."""
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

    def _nearest(self, queries: Floats, passed: ExcludedRows | None) -> dict[str, tuple[Indices, Floats]]:
        """Prepared queries (n, D) -> {reference: the k nearest rows and their distances (n, k)}, -1 and inf missing."""
        found = self._possible(queries, passed)
        if found is None:
            half = len(queries) // 2
            first = self._nearest(queries[:half], None if passed is None else passed.of(slice(None, half)))
            second = self._nearest(queries[half:], None if passed is None else passed.of(slice(half, None)))
            return {
                name: (np.concatenate([rows, second[name][0]]), np.concatenate([distance, second[name][1]]))
                for name, (rows, distance) in first.items()
            }
        query, row = found
        distance = self._measured(self._squares(queries, query, row))
        order = np.lexsort((row, distance, query))
        query, row, distance = query[order], row[order], distance[order]
        return {name: self._first(query, row, distance, name, len(queries)) for name in self._of}

    def _squares(self, queries: Floats, query: Indices, row: Indices) -> Floats:
        """Squared distances (p,) of prepared queries (n, D) and rows, pair by pair."""
        squares = np.empty(len(row))
        size = max(1, PREPARED // queries.shape[1])
        for start in range(0, len(row), size):
            some = slice(start, start + size)
            rows = prepared(self._rows[row[some]], self._metric)
            rows -= queries[query[some]]
            squares[some] = np.square(rows, out=rows).sum(axis=1)
        return squares

    def _measured(self, squares: Floats) -> Floats:
        """Squared distances -> distances."""
        distance = squares / 4.0 if self._metric == "cosine" else np.sqrt(squares)
        return np.asarray(np.sqrt(distance) if self._root else distance)

    def _first(self, query: Indices, row: Indices, distance: Floats, name: str, n: int) -> tuple[Indices, Floats]:
        """Take of sorted pairs the first k of each query (n, k) in a reference; -1 and inf where there are fewer."""
        inside = np.zeros(len(row), bool)
        for part in self._of[name]:
            inside |= (row >= self._parts[part].start) & (row < self._parts[part].stop)
        query, row, distance = query[inside], row[inside], distance[inside]
        place = np.arange(len(query)) - np.searchsorted(query, np.arange(n))[query]
        first, how_far = np.full((n, self._k), -1), np.full((n, self._k), np.inf)
        kept = place < self._k
        first[query[kept], place[kept]], how_far[query[kept], place[kept]] = row[kept], distance[kept]
        return first, how_far

    def _possible(self, queries: Floats, passed: ExcludedRows | None) -> tuple[Indices, Indices] | None:
        """Find which rows may be among the k nearest of a query: (query, row), (p,) each; None where they are many."""
        n, (far, slack) = len(queries), self._seen(queries)
        width, least, found = max(1, ROUGH // n), {}, []
        for place, part in enumerate(self._parts):
            least[place] = np.full((n, self._k), np.inf, np.float32)
            for start in range(part.start, part.stop, width):
                block = slice(start, min(start + width, part.stop))
                rough = far @ self._drawn[block].T
                rough += self._lengths[block]
                if passed is not None:
                    passed.over(rough, block)
                flat, least[place] = met(rough, least[place], slack)
                query, row = np.divmod(flat, rough.shape[1])
                found.append((query, row + start, rough.ravel()[flat]))
                if n > 1 and sum(len(one[0]) for one in found) > PAIRS:
                    return None
        query, row, values = (np.concatenate(some) for some in zip(*found, strict=True))
        part_of = np.searchsorted([part.stop for part in self._parts], row, side="right")
        possible = np.zeros(len(row), bool)
        for places in self._of.values():
            highest = limit(smallest(*(least[place] for place in places)), slack)[query, 0]
            possible |= np.isin(part_of, places) & (values <= highest)
        return query[possible], row[possible]

    def _seen(self, queries: Floats) -> tuple[Floats32, Floats]:
        """Prepared queries (n, D) -> -2 times them, as the bank is drawn, and how much two rough distances may be off.

        The difference of two squared distances is off by no more than the second (n, 1), inf for a query that is too
        far. A sum of D products is off by at most D eps times the sum of their sizes, however it is made, and drawing
        moves a row by eps of its distance from the middle, or by what double precision leaves of it.
        """
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


def prepared(features: Features, metric: str) -> Floats:
    """(n, D) -> (n, D), or (n, D + 1) of unit length for the cosine; a zero vector points along the last axis."""
    if metric == "euclidean":
        return np.array(features, dtype=np.float64, order="C")
    rows = np.empty((len(features), features.shape[1] + 1))
    values = rows[:, :-1]
    values[:] = features
    length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    np.divide(values, length, out=values, where=length > 0)
    rows[:, -1:] = length == 0
    return rows
