"""A smooth empirical CDF of train-normal scores: continuous, strictly increasing, never saturated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.onnx.onnx_graph import OnnxValue
from asdcore.errors import DataError

Floats = NDArray[np.float64]


class SmoothEcdf:
    """A continuous, strictly increasing CDF through a sample of train normals.

    Piecewise linear through (s_(i), i / (n + 1)) for the sorted distinct sample (equal values share their mean rank).
    Beyond the ends it approaches 0 and 1 as a hyperbola with the scale ``|end - median|``, so it never saturates, and
    outliers keep their order.

    Parameters
    ----------
    normals : ndarray of float64, shape (n,)
        Scores of train normals, at least two of them different.

    Raises
    ------
    DataError
        If all scores are the same.

    References
    ----------
    The ranks i / (n + 1) are those of W. Weibull, "A statistical theory of the strength of materials", 1939; the
    hyperbolic ends are ours.

    Examples
    --------
    >>> curve = asdcore.SmoothEcdf(np.array([0.0, 1.0, 2.0]))
    >>> curve.cdf(np.array([1.0, 1.5])).tolist()
    [0.5, 0.625]
    >>> curve.survival(np.array([2.0, 1000.0])).round(5).tolist()
    [0.25, 0.00025]

    """

    def __init__(self, normals: Floats) -> None:
        values, counts = np.unique(np.asarray(normals, np.float64), return_counts=True)
        if len(values) < 2:
            raise DataError(f"an empirical CDF needs at least 2 different train-normal scores, found {len(values)}")
        upper = np.cumsum(counts)
        self._values = values
        self._rank = (upper - (counts - 1) / 2) / (counts.sum() + 1)
        median = float(np.median(normals))
        spread = float(values[-1] - values[0])
        # With half of the sample at one end its distance to the median is nothing; the spread then sets the scale.
        self._low_scale, self._high_scale = (
            distance if distance > 1e-9 * spread else spread
            for distance in (median - float(values[0]), float(values[-1]) - median)
        )

    def state(self) -> dict[str, Any]:
        """Return the curve as two arrays and two numbers, copies that nothing here changes.

        Returns
        -------
        dict of str to value
            "values" and "rank", (n,) float64 arrays; "low_scale" and "high_scale".

        Examples
        --------
        >>> sorted(asdcore.SmoothEcdf(np.array([0.0, 1.0, 2.0])).state())
        ['high_scale', 'low_scale', 'rank', 'values']
        """
        scales = {"low_scale": self._low_scale, "high_scale": self._high_scale}
        return {"values": self._values.copy(), "rank": self._rank.copy(), **scales}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Return the curve that gave this state, to the bit.

        Parameters
        ----------
        state : dict of str to value
            What :meth:`state` returned.

        Returns
        -------
        SmoothEcdf
            The curve.

        Raises
        ------
        DataError
            If a key is missing or unknown, or a value has another type or shape.

        Examples
        --------
        >>> curve = asdcore.SmoothEcdf(np.array([0.0, 1.0, 2.0]))
        >>> asdcore.SmoothEcdf.restored(curve.state()).cdf(np.array([1.5])).tolist()
        [0.625]
        """
        keys = {"values", "rank", "low_scale", "high_scale"}
        if state.keys() != keys:
            differ = ", ".join(map(repr, sorted(state.keys() ^ keys)))
            raise DataError(f"an empirical CDF has the keys {', '.join(sorted(keys))}; {differ} is missing or unknown")
        arrays = [state["values"], state["rank"]]
        whole = all(isinstance(array, np.ndarray) and array.dtype == np.float64 for array in arrays)
        if not whole or arrays[0].ndim != 1 or len(arrays[0]) < 2 or arrays[0].shape != arrays[1].shape:
            raise DataError("values and rank of an empirical CDF are float64 arrays of one length, at least 2")
        if not all(isinstance(state[name], float) for name in ("low_scale", "high_scale")):
            raise DataError("low_scale and high_scale of an empirical CDF are numbers")
        curve = cls.__new__(cls)
        curve._values, curve._rank = (array.copy() for array in arrays)
        curve._low_scale, curve._high_scale = float(state["low_scale"]), float(state["high_scale"])
        return curve

    def cdf(self, scores: Floats) -> Floats:
        """Return F(s) in (0, 1) for scores s, shape (n_clips,) in and out."""
        return self._of_sides(scores, lambda below, above: below)

    def survival(self, scores: Floats) -> Floats:
        """Return 1 - F(s) in (0, 1), precise in the upper tail, shape (n_clips,) in and out."""
        return self._of_sides(scores, lambda below, above: above)

    def normal_score(self, scores: Floats) -> Floats:
        """Return the standard normal quantile of F(s), finite and increasing in both tails, (n_clips,) in and out."""
        from scipy.special import ndtri  # here, because scipy takes long to import and most commands need none of it

        return self._of_sides(scores, lambda below, above: np.where(below > 0.5, -ndtri(above), ndtri(below)))

    def _of_sides(self, scores: Floats, value: Callable[[Floats, Floats], Floats]) -> Floats:
        """Return what ``value`` makes of F and 1 - F of scores, each computed on the side where it is small.

        Scores are looked up in order: a search that jumps through a large sample takes three times as long.
        """
        if isinstance(scores, OnnxValue):
            return value(*self._sides_to_onnx(scores))
        scores = np.asarray(scores, np.float64)
        order = np.argsort(scores, axis=None)
        result = np.empty(scores.shape)
        result.reshape(-1)[order] = value(*self._sides(scores.reshape(-1)[order]))
        return result

    def _sides(self, ordered: Floats) -> tuple[Floats, Floats]:
        """F and 1 - F of sorted scores (n,)."""
        first = int(np.searchsorted(ordered, self._values[0], "left"))
        last = int(np.searchsorted(ordered, self._values[-1], "right"))
        below, above = np.empty_like(ordered), np.empty_like(ordered)
        under, over = self._values[0] - ordered[:first], ordered[last:] - self._values[-1]
        below[:first] = self._rank[0] * (self._low_scale / (under + self._low_scale))
        below[first:last] = self._inside(ordered[first:last])
        above[:last] = 1.0 - below[:last]
        above[last:] = (1.0 - self._rank[-1]) * (self._high_scale / (over + self._high_scale))
        below[last:] = 1.0 - above[last:]
        return below, above

    def _sides_to_onnx(self, score: OnnxValue) -> tuple[Any, Any]:
        """F and 1 - F of a score (1,), each computed on the side where it is small."""
        values, rank = self._values, self._rank
        left = ((score.graph.constant(values) <= score).astype(np.int64).sum(0, keepdims=True)) + _whole(score, -1)
        left = left.op("Max", _whole(score, 0)).op("Min", _whole(score, len(values) - 2))
        start, low = (score.graph.constant(array).take(left) for array in (values, rank))
        end, high = (score.graph.constant(array[1:]).take(left) for array in (values, rank))
        inside = low + (score - start) / (end - start) * (high - low)
        under, over = np.maximum(values[0] - score, 0.0), np.maximum(score - values[-1], 0.0)
        tail = (1.0 - rank[-1]) * (self._high_scale / (over + self._high_scale))
        is_under, is_over = score < values[0], score > values[-1]
        below = np.where(is_under, rank[0] * (self._low_scale / (under + self._low_scale)), inside)
        return np.where(is_over, 1.0 - tail, below), np.where(is_over, tail, 1.0 - below)

    def _inside(self, held: Floats) -> Floats:
        """Linear interpolation of scores between the ends."""
        left = np.minimum(np.searchsorted(self._values, held, "right") - 1, len(self._values) - 2)
        start, low = self._values.take(left), self._rank.take(left)
        left += 1
        share = (held - start) / (self._values.take(left) - start)
        inside: Floats = low + share * (self._rank.take(left) - low)
        return inside


def _whole(beside: OnnxValue, number: int) -> OnnxValue:
    """Return a whole number as a value of a graph."""
    return beside.graph.constant(number, np.int64)
