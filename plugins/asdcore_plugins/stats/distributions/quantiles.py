"""The quantile of many values, after some of them have gone and others have come; for many such changes at once.

Few changes move a quantile by few places. So it is looked for among the values around its old place, and nothing but
these is sorted anew.
"""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Flags, Floats, Indices

NARROWED = 2
"""How often the places where quantiles can be are narrowed down: once more gains little."""


class ChangedQuantile:
    """The ``quantile`` (0 to 1) of finite ``values`` (m,), interpolated as numpy.quantile does, to the bit.

    ranks : (m,) the place of each value in their order.
    """

    def __init__(self, values: Floats, quantile: float) -> None:
        order = np.argsort(values, kind="stable")
        self._ordered, self._quantile, self.ranks = values[order], quantile, np.empty(len(values), np.intp)
        self.ranks[order] = np.arange(len(values))

    def after(self, n: int, gone: Indices, gone_from: Indices, come: Floats, come_to: Indices) -> Floats:
        """Return the quantile after each of n changes (n,); -inf where no value is left.

        gone : (g,) ranks of values that are gone, in the change ``gone_from`` (g,). come : (c,) finite values that have
            come, in the change ``come_to`` (c,), which ascends.
        """
        count = len(self._ordered) - np.bincount(gone_from, minlength=n) + np.bincount(come_to, minlength=n)
        exact = self._quantile * np.maximum(count - 1, 0)
        place, low, high = exact.astype(np.intp), 0, len(self._ordered)
        for _ in range(NARROWED):
            shift, goes, comes = self._between(low, high, n, gone, gone_from, come, come_to)
            sought = place - low + shift
            # Between these, a value moves up by no more than come, and down by no more than go.
            up, down = np.bincount(come_to[comes], minlength=n), np.bincount(gone_from[goes], minlength=n)
            low, high = low + max(0, int((sought - up).min())), min(high, low + int((sought + 2 + down).max()))
        shift, goes, comes = self._between(low, high, n, gone, gone_from, come, come_to)
        around = np.tile(self._ordered[low:high], (n, 1))
        around[gone_from[goes], gone[goes] - low] = np.inf
        # Two inf more: for who asks for the next of the last, or for the first of none.
        around = np.sort(np.concatenate([around, _by_row(come[comes], come_to[comes], n)], axis=1), axis=1)
        sought, change = place - low + shift, np.arange(n)
        lower, upper = np.where(count > 0, around[change, sought], 0.0), around[change, sought + 1]
        found = _interpolated(lower, np.where(np.isfinite(upper), upper, lower), exact - place)
        return np.where(count > 0, found, -np.inf)

    def _between(
        self, low: int, high: int, n: int, gone: Indices, gone_from: Indices, come: Floats, come_to: Indices
    ) -> tuple[Indices, Flags, Flags]:
        """Say what changes at the ranks from low to below high.

        Returns how much further up (n,) a place is among what stays there, and which values go and come there.
        """
        bottom = self._ordered[low] if low else -np.inf
        top = self._ordered[high] if high < len(self._ordered) else np.inf
        below = np.bincount(gone_from[gone < low], minlength=n) - np.bincount(come_to[come < bottom], minlength=n)
        return below, (gone >= low) & (gone < high), (come >= bottom) & (come <= top)


def exact_quantile(values: Floats, quantile: float) -> float:
    """Return the same quantile of the finite ones among ``values`` (...), all of them looked at; -inf without any."""
    count = int(np.count_nonzero(values < np.inf))
    if not count:
        return -np.inf
    place = int(quantile * (count - 1))
    after = min(place + 1, count - 1)
    ordered = np.partition(values, (place, after), axis=None)
    return float(_interpolated(ordered[place], ordered[after], np.asarray(quantile * (count - 1) - place)))


def _interpolated(lower: Floats, upper: Floats, part: Floats) -> Floats:
    """Return what lies this part of the way from lower to upper, as numpy.quantile has it."""
    return np.where(part >= 0.5, upper - (upper - lower) * (1.0 - part), lower + (upper - lower) * part)


def _by_row(values: Floats, row: Indices, n: int) -> Floats:
    """Values (c,), each of a row (c,), which ascends -> (n, the most of a row and 2), filled up with inf."""
    count = np.bincount(row, minlength=n)
    laid = np.full((n, count.max(initial=0) + 2), np.inf)
    laid[row, np.arange(len(row)) - (np.cumsum(count) - count)[row]] = values
    return laid
