"""The quantile of many values, after some of them have gone and others have come; for many such changes at once.

Few changes move a quantile by few places. So it lies among the values around its old place, and only these are sorted
anew.
"""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Flags, Floats, Indices

NARROWED = 2
"""How often the range of possible places is narrowed: once more gains little."""


class ChangedQuantile:
    """A quantile of values, after some of them have gone and others have come.

    Interpolated as numpy.quantile does, to the bit. The attribute ``ranks`` (m,) has the place of each value in their
    order.

    Parameters
    ----------
    values
        (m,) finite values.
    quantile
        0 to 1.

    Examples
    --------
    The median of 1, 2, 3 and 4 after 4 has gone and 0 has come:

    >>> median = ChangedQuantile(np.array([4.0, 1.0, 3.0, 2.0]), 0.5)
    >>> zeros = np.array([0])
    >>> median.after(1, median.ranks[:1], zeros, np.array([0.0]), zeros).tolist()
    [1.5]
    """

    def __init__(self, values: Floats, quantile: float) -> None:
        order = np.argsort(values, kind="stable")
        self._ordered, self._quantile, self.ranks = values[order], quantile, np.empty(len(values), np.intp)
        self.ranks[order] = np.arange(len(values))

    def after(self, n: int, gone: Indices, gone_from: Indices, come: Floats, come_to: Indices) -> Floats:
        """Return the quantile after each of n changes (n,); -inf if no value is left.

        Parameters
        ----------
        n
            Changes, each by itself.
        gone, gone_from
            (g,) ranks of values that have gone, and in which change.
        come, come_to
            (c,) finite values that have come, and in which change, ascending.
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
        # Two inf more: for the value after the last one, and for the first of no values.
        around = np.sort(np.concatenate([around, _by_row(come[comes], come_to[comes], n)], axis=1), axis=1)
        sought, change = place - low + shift, np.arange(n)
        lower, upper = np.where(count > 0, around[change, sought], 0.0), around[change, sought + 1]
        quantiles = _interpolated(lower, np.where(np.isfinite(upper), upper, lower), exact - place)
        return np.where(count > 0, quantiles, -np.inf)

    def _between(
        self, low: int, high: int, n: int, gone: Indices, gone_from: Indices, come: Floats, come_to: Indices
    ) -> tuple[Indices, Flags, Flags]:
        """Find the changes at the ranks from low to below high.

        Returns how far each place moves up (n,) among the values that stay there, and which values go and come there.
        """
        bottom = self._ordered[low] if low else -np.inf
        top = self._ordered[high] if high < len(self._ordered) else np.inf
        below = np.bincount(gone_from[gone < low], minlength=n) - np.bincount(come_to[come < bottom], minlength=n)
        return below, (gone >= low) & (gone < high), (come >= bottom) & (come <= top)


def exact_quantile(values: Floats, quantile: float) -> float:
    """Return the quantile of the finite ones among ``values`` (...), by a partition of all; -inf if there are none.

    Examples
    --------
    >>> exact_quantile(np.array([2.0, np.inf, 1.0]), 0.5)
    1.5
    """
    count = int(np.count_nonzero(values < np.inf))
    if not count:
        return -np.inf
    place = int(quantile * (count - 1))
    after = min(place + 1, count - 1)
    ordered = np.partition(values, (place, after), axis=None)
    return float(_interpolated(ordered[place], ordered[after], np.asarray(quantile * (count - 1) - place)))


def _interpolated(lower: Floats, upper: Floats, part: Floats) -> Floats:
    """Return the value at this part of the way from lower to upper, rounded as numpy.quantile does."""
    return np.where(part >= 0.5, upper - (upper - lower) * (1.0 - part), lower + (upper - lower) * part)


def _by_row(values: Floats, row: Indices, n: int) -> Floats:
    """Values (c,) and the row of each (c,), ascending -> (n, the most of a row and 2), padded with inf."""
    count = np.bincount(row, minlength=n)
    laid = np.full((n, count.max(initial=0) + 2), np.inf)
    laid[row, np.arange(len(row)) - (np.cumsum(count) - count)[row]] = values
    return laid
