"""Minus the log of the mean Gaussian kernel: from all distances, or for a large bank from products, to the same bits.

A(x) = -log of the mean over y of exp(-t(y)), t = d(x, y)^2 / (2 h^2). It is rounded to odd
(:mod:`asdcore_plugins.stats.to_odd`), so products suffice if they bound it within one cell.

If t(y) is off by e(y) at most, and p are the shares of the kernels in their sum, A is off by the mean of exp(e) - 1 by
p at most: 1.01 times the mean of e, if all e are at most 2^-10. It is never off by more than the largest e. Rounding of
the kernels, their sum and its logarithm is 320 u at most, for kernels within 4 units in the last place and sums in
pairs, and 8 u of the terms of A.

If products do not suffice, the rows whose errors count are measured: near-duplicates in a wide bank, of which products
lose the digits, are few. If that does not suffice either, or if those are most rows, all distances are measured: in a
bank of 768 values around its middle for one clip in 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asdcore import distances
from asdcore_plugins.stats.arrays import Flags, Floats, Floats32, Indices
from asdcore_plugins.stats.neighbours.bounded_squares import BoundedSquares, U
from asdcore_plugins.stats.to_odd import BITS, known_to_odd, to_odd

SMALL = 2.0**-10
"""Errors up to which exp(e) - 1 is at most 1.01 e."""

NEGLIGIBLE = 64.0
"""A kernel of exp(-64) of the largest does not count: a billion of them change nothing in the 60th bit."""

ALL = 0.5
"""With so large a share of rows to be measured, all are."""

BESIDE = 64.0
"""Errors that are left to products together are at most this part of a cell."""

HUGE = 1e150
"""Bandwidths up to which, and down to whose inverse, a square keeps all its bits."""


def log_means(apart: Floats) -> Floats:
    """Distances (n, m) in bandwidths -> minus the log of the mean kernel (n,), without under- or overflow.

    Infinite distances do not count.

    Examples
    --------
    >>> (log_means(np.array([[0.0, np.inf], [2.0, 2.0]])) == [0.0, 2.0]).tolist()
    [True, True]
    """
    exponents = np.square(apart) / 2.0
    least = exponents.min(axis=1)
    kernels = np.exp(least[:, None] - exponents).sum(axis=1)
    return np.asarray(least - np.log(kernels / np.isfinite(apart).sum(axis=1)))


class KernelMeans:
    """A large bank for the kernel means of new clips.

    Parameters
    ----------
    bank
        (m, D) features, which are not copied and must stay as they are.
    metric
        "cosine" or "euclidean".
    members
        {reference: its rows}.
    bandwidth
        {reference: h}.

    Examples
    --------
    >>> bank, every = np.array([[0.0], [2.0]], np.float32), np.arange(2)
    >>> means = KernelMeans(bank, "euclidean", {"pooled": every}, {"pooled": 1.0}).of(np.ones((1, 1), np.float32))
    >>> means["pooled"].tolist()
    [0.5]
    """

    def __init__(
        self, bank: Floats32, metric: str, members: Mapping[str, Indices], bandwidth: Mapping[str, float]
    ) -> None:
        self._bank, self._metric, self._squares = bank, metric, BoundedSquares(bank, metric)
        self._members, self._bandwidth = members, bandwidth

    def of(self, clips: Floats32) -> dict[str, Floats]:
        """Return {reference: minus the log of the mean kernel (n,), rounded to odd} of clips (n, D)."""
        means = {name: np.empty(len(clips)) for name in self._members}
        with np.errstate(all="ignore"):  # of what overflows all distances are measured
            halves, errors = self._halves(*self._squares.of(clips))
            for i in range(len(clips)):
                clip = _Clip(clips[i : i + 1], self._bank, self._metric, halves[i], errors[i])
                for name, members in self._members.items():
                    mean = clip.mean(members, self._bandwidth[name])
                    means[name][i] = clip.measured_mean(members, self._bandwidth[name]) if mean is None else mean
        return means

    def _halves(self, squares: Floats, errors: Floats) -> tuple[Floats, Floats]:
        """Squared distances and their errors -> half the squares of what distances are, and the errors of these."""
        if self._metric == "euclidean":
            return squares / 2.0, errors / 2.0
        # Half of one minus the cosine is a quarter of the squared distance; squared once more, as distances are.
        return np.square(squares) / 32.0, (2.0 * squares + errors) * errors / 32.0


@dataclass(frozen=True)
class _Clip:
    """One clip (1, D) and a bank (m, D), with half their squared distances and the errors of these (m,)."""

    features: Floats32
    bank: Floats32
    metric: str
    halves: Floats
    errors: Floats

    def mean(self, members: Indices, bandwidth: float) -> float | None:
        """Return the mean over some rows, rounded to odd; None if that needs all distances."""
        if not 1.0 / HUGE < bandwidth < HUGE:
            return None
        scale = 1.0 / (bandwidth * bandwidth)
        exponents, errors = np.take(self.halves, members) * scale, np.take(self.errors, members) * scale
        if not np.isfinite(exponents.max() + errors.max()):
            return None
        mean = known_to_odd(*_mean_and_error(exponents, errors))
        if mean is not None:
            return mean
        counts = _may_count(exponents, errors)
        exponents[~counts], errors[~counts] = np.inf, 0.0
        doubtful = np.flatnonzero(_doubtful(exponents, errors))
        if len(doubtful) > ALL * len(members):
            return None
        apart = distances(self.features, self.bank[members[doubtful]], self.metric)[0]
        exponents[doubtful], errors[doubtful] = np.square(apart / bandwidth) / 2.0, 0.0
        return known_to_odd(*_mean_and_error(exponents, errors))

    def measured_mean(self, members: Indices, bandwidth: float) -> float:
        """Return the same from all distances."""
        return float(to_odd(log_means(np.take(self._all, members, axis=1) / bandwidth))[0])

    @cached_property
    def _all(self) -> Floats:
        return distances(self.features, self.bank, self.metric)


def _mean_and_error(exponents: Floats, errors: Floats) -> tuple[float, float]:
    """Return minus the log of the mean of exp(-t), and how far it may be off."""
    least, largest = exponents.min(), errors.max()
    kernels = np.exp(least - exponents)
    total = kernels.sum()
    log = np.log(total / len(exponents))
    rounding = U * (320.0 + 8.0 * (abs(least) + abs(log))) + 2.0 * len(exponents) * np.exp(-NEGLIGIBLE)
    error = 1.01 * (kernels @ errors) / total if largest <= SMALL else largest
    return float(least - log), float(error + rounding)


def _may_count(exponents: Floats, errors: Floats) -> Flags:
    """Return the rows (m,) whose kernel may be more than a negligible part of the largest."""
    return np.asarray(exponents - errors < (exponents + errors).min() + NEGLIGIBLE)


def _doubtful(exponents: Floats, errors: Floats) -> Flags:
    """Return the rows (m,) that have to be measured; the errors of all others together are small beside a cell."""
    mean, _ = _mean_and_error(exponents, errors)
    cell = 2.0 ** (np.frexp(mean)[1] - BITS)
    shares = np.exp(exponents.min() - exponents)
    return np.asarray((errors > SMALL) | (shares * errors > cell / BESIDE * shares.sum() / len(shares)))
