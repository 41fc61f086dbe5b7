"""Exact search for the nearest rows of a large bank; the company of other rows changes no bit of the result.

Products in single precision approximate the distances of all rows, fast. Given the largest rounding error, few rows may
be among the nearest: their distances are summed anew in double precision from differences, in an order that depends on
the pair alone.

Time: n * m * D products. Memory: the bank twice, in its own and in single precision, and some 50 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from typing import Self

import numpy as np

from asdcore import OnnxValue, Without
from asdcore_plugins.stats.arrays import Floats, Indices
from asdcore_plugins.stats.neighbours.candidates import add_block, bound, smallest
from asdcore_plugins.stats.neighbours.exact import mean_nearest
from asdcore_plugins.stats.neighbours.excluded_rows import ExcludedRows
from asdcore_plugins.stats.neighbours.prepared_rows import Features, prepared, prepared_to_onnx
from asdcore_plugins.stats.neighbours.single_precision import PREPARED, SinglePrecision, laid_out
from asdcore_plugins.stats.onnx_formulas import written

QUERIES = 256
"""Queries that are searched together."""

ROUGH = 1 << 19
"""Approximate distances that are held at once: 2 MiB stay in a core's cache."""

PAIRS = 1 << 20
"""Pairs of a query and a candidate row; with more, fewer queries are searched together."""


class NearestRows:
    """A bank of rows that is searched for the nearest, in several references.

    Parameters
    ----------
    rows
        (m, D) features of the rows.
    metric
        "cosine" (half of one minus the cosine similarity) or "euclidean", as in :func:`asdcore.distances`.
    members
        {reference: indices of its rows}.
    owner
        (m,) the clip that each row belongs to.
    k
        Neighbours that count.
    root
        Compare the roots of these distances, more of which are equal.
    copied
        False uses the rows as they lie there, if they are of one reference.

    Examples
    --------
    >>> rows = np.array([[0.0], [3.0], [10.0]])
    >>> bank = NearestRows(rows, "euclidean", {"pooled": np.arange(3)}, np.arange(3))
    >>> bank.distances(np.array([[4.0]]))["pooled"].tolist()
    [1.0]
    >>> bank.distances_left_out()["pooled"].tolist()
    [3.0, 3.0, 7.0]
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
        copied: bool = True,
    ) -> None:
        self._metric, self._k, self._root = metric, k, root
        # Rows of the same references lie side by side, so that each is searched once.
        code = np.zeros(len(rows), np.intp)
        for bit, indices in enumerate(members.values()):
            code[indices] += 1 << bit
        order = np.argsort(code, kind="stable")
        self._place, code = np.argsort(order), code[order]
        starts = [int(start) for start in np.flatnonzero(np.diff(code, prepend=0))]
        self._parts = [slice(*ends) for ends in zip(starts, [*starts[1:], len(code)], strict=True)]
        self._of = {
            name: [place for place, start in enumerate(starts) if code[start] >> bit & 1]
            for bit, name in enumerate(members)
        }
        self._sorted = bool((order == np.arange(len(rows))).all())
        self._rows, self._owner = rows[order] if copied or not self._sorted else rows, owner[order]

    @classmethod
    def whole(cls, rows: Features, metric: str, *, root: bool = False) -> Self:
        """Return rows (m, D) as a bank of one reference "all". They are not copied, and must stay as they are."""
        every = np.arange(len(rows))
        return cls(rows, metric, {"all": every}, every, root=root, copied=False)

    @property
    def rows(self) -> Features:
        """The features of the rows (m, D), a copy."""
        return self._rows[self._place]

    def distances(
        self, rows: Features, owner: Indices | None = None, without: Without | None = None
    ) -> dict[str, Floats]:
        """Average the distances of queries to their k nearest rows.

        Parameters
        ----------
        rows
            (n, D) features of the queries.
        owner
            (n,) clip that each query belongs to; rows of the same clip do not count.
        without
            For each clip, the clips whose rows do not count either.

        Returns
        -------
        dict[str, Floats]
            {reference: mean distance (n,)}; over fewer rows if there are fewer than k.
        """
        means = {name: np.empty(len(rows)) for name in self._of}
        for start in range(0, len(rows), QUERIES):
            block = slice(start, start + QUERIES)
            near = self._nearest(prepared(rows[block], self._metric), self._excluded(owner, block, without))
            for name, (_, distance) in near.items():
                means[name][block] = mean_nearest(distance, self._k)
        return means

    def distances_to_onnx(self, rows: OnnxValue) -> dict[str, OnnxValue]:
        """Write :meth:`distances` of queries (n, D) to their one nearest row: {reference: (n,)}."""
        assert self._k == 1
        assert not self._root
        queries, bank = prepared_to_onnx(rows, self._metric), prepared(self._rows, self._metric)
        squares = [_least_square_to_onnx(queries, bank[part]) for part in self._parts]
        least = {
            name: written(reduce, np.minimum, [squares[place] for place in places]) for name, places in self._of.items()
        }
        is_cosine = self._metric == "cosine"
        return {name: square / 4.0 if is_cosine else square.op("Sqrt") for name, square in least.items()}

    def distances_left_out(self, without: Without | None = None) -> dict[str, Floats]:
        """Return :meth:`distances` of the bank's own rows (m,), to rows of other clips."""
        means = self.distances(self._rows, self._owner, without)
        return {name: values[self._place] for name, values in means.items()}

    def nearest(
        self, rows: Features, owner: Indices | None = None, without: Without | None = None
    ) -> dict[str, tuple[Indices, Floats]]:
        """Find the k nearest rows of queries, nearest first.

        Parameters
        ----------
        rows, owner, without
            As in :meth:`distances`.

        Returns
        -------
        dict[str, tuple[Indices, Floats]]
            {reference: (rows of the bank, distances), both (n, k)}; -1 and inf for missing ones. In a bank of one
            reference, the first of equally near rows is the nearer.
        """
        index = {name: np.full((len(rows), self._k), -1) for name in self._of}
        distance = {name: np.empty((len(rows), self._k)) for name in self._of}
        there = np.append(np.argsort(self._place), -1)
        for start in range(0, len(rows), QUERIES):
            block = slice(start, start + QUERIES)
            near = self._nearest(prepared(rows[block], self._metric), self._excluded(owner, block, without))
            for name, (places, how_far) in near.items():
                index[name][block], distance[name][block] = there[places], how_far
        return {name: (index[name], distance[name]) for name in self._of}

    def _excluded(self, owner: Indices | None, block: slice, without: Without | None) -> ExcludedRows | None:
        """Return which rows the queries of a block must not use."""
        if owner is None:
            return None
        return ExcludedRows(owner[block], self._owner, None if without is None else without.mask(owner[block]))

    def at_least(self, rows: Features) -> Floats:
        """(n, D) -> lower bounds (n, m) of the distances to all rows of the bank."""
        queries = prepared(rows, self._metric)
        single = self._single
        far, slack = single.seen(queries)
        lengths = np.square((queries - single.middle) * single.scale).sum(axis=1, keepdims=True)
        # What is added leaves room for the rounding of the roots.
        squares = (far @ single.rows.T).astype(np.float64)
        squares += single.lengths
        squares += lengths - 2.0 * slack
        np.maximum(squares, 0.0, out=squares)
        squares *= single.scale**-2
        return self._measured(squares) if self._sorted else self._measured(squares)[:, self._place]

    def exactly(self, row: Features, indices: Indices) -> Floats:
        """(D,) -> distances (p,) to the rows of the bank with these indices."""
        return self._measured(
            self._squares(prepared(row[None], self._metric), np.zeros_like(indices), self._place[indices])
        )

    @cached_property
    def _single(self) -> SinglePrecision:
        """The bank in single precision: laid out for the first search, so that a bank to be searched opens at once."""
        return laid_out(self._rows, self._metric)

    def _nearest(self, queries: Floats, excluded: ExcludedRows | None) -> dict[str, tuple[Indices, Floats]]:
        """Prepared queries (n, D) -> {reference: the k nearest rows and their distances (n, k)}, -1 and inf missing."""
        candidates = self._possible(queries, excluded)
        if candidates is None:
            half = len(queries) // 2
            first = self._nearest(queries[:half], None if excluded is None else excluded.of(slice(None, half)))
            second = self._nearest(queries[half:], None if excluded is None else excluded.of(slice(half, None)))
            return {
                name: (np.concatenate([rows, second[name][0]]), np.concatenate([distance, second[name][1]]))
                for name, (rows, distance) in first.items()
            }
        query, row = candidates
        distance = self._measured(self._squares(queries, query, row))
        order = np.lexsort((row, distance, query))
        query, row, distance = query[order], row[order], distance[order]
        return {name: self._first(query, row, distance, name, len(queries)) for name in self._of}

    def _squares(self, queries: Floats, query: Indices, row: Indices) -> Floats:
        """Squared distances (p,) of prepared queries (n, D) and rows, pair by pair."""
        squares = np.empty(len(row))
        size = max(1, PREPARED // queries.shape[1])
        for start in range(0, len(row), size):
            block = slice(start, start + size)
            rows = prepared(self._rows[row[block]], self._metric)
            rows -= queries[query[block]]
            squares[block] = np.square(rows, out=rows).sum(axis=1)
        return squares

    def _measured(self, squares: Floats) -> Floats:
        """Squared distances -> distances."""
        distance = squares / 4.0 if self._metric == "cosine" else np.sqrt(squares)
        return np.asarray(np.sqrt(distance) if self._root else distance)

    def _first(self, query: Indices, row: Indices, distance: Floats, name: str, n: int) -> tuple[Indices, Floats]:
        """Take of sorted pairs the first k of each query (n, k) in a reference; -1 and inf if there are fewer."""
        inside = np.zeros(len(row), bool)
        for part in self._of[name]:
            inside |= (row >= self._parts[part].start) & (row < self._parts[part].stop)
        query, row, distance = query[inside], row[inside], distance[inside]
        place = np.arange(len(query)) - np.searchsorted(query, np.arange(n))[query]
        first, how_far = np.full((n, self._k), -1), np.full((n, self._k), np.inf)
        kept = place < self._k
        first[query[kept], place[kept]], how_far[query[kept], place[kept]] = row[kept], distance[kept]
        return first, how_far

    def _possible(self, queries: Floats, excluded: ExcludedRows | None) -> tuple[Indices, Indices] | None:
        """Find the rows that may be among the k nearest of a query: (query, row), (p,) each; None if too many."""
        n, single = len(queries), self._single
        far, slack = single.seen(queries)
        width, least, blocks = max(1, ROUGH // n), {}, []
        for place, part in enumerate(self._parts):
            least[place] = np.full((n, self._k), np.inf, np.float32)
            for start in range(part.start, part.stop, width):
                block = slice(start, min(start + width, part.stop))
                rough = far @ single.rows[block].T
                rough += single.lengths[block]
                if excluded is not None:
                    excluded.exclude(rough, block)
                flat, least[place] = add_block(rough, least[place], slack)
                query, row = np.divmod(flat, rough.shape[1])
                blocks.append((query, row + start, rough.ravel()[flat]))
                if n > 1 and sum(len(parts[0]) for parts in blocks) > PAIRS:
                    return None
        query, row, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
        part_of = np.searchsorted([part.stop for part in self._parts], row, side="right")
        possible = np.zeros(len(row), bool)
        for places in self._of.values():
            highest = bound(smallest(*(least[place] for place in places)), slack)[query, 0]
            possible |= np.isin(part_of, places) & (values <= highest)
        return query[possible], row[possible]


def _least_square_to_onnx(queries: OnnxValue, bank: Floats) -> OnnxValue:
    """Write the squared distance of queries (n, D) to the nearest of a bank's rows (m, D): (n,)."""
    middle = bank.mean(axis=0)
    rows, members = queries - middle, bank - middle
    # Which row is the nearest is told by products; how far it is by differences, which lose nothing.
    closeness = np.square(members).sum(axis=1) - 2.0 * (rows @ np.ascontiguousarray(members.T))
    apart: OnnxValue = rows - rows.graph.constant(members).take(closeness.op("ArgMin", axis=1, keepdims=0))
    return (apart * apart).sum(1)
