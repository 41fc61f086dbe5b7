"""Distance of a clip's windows to the nearest windows of the train normals, at any time of theirs.

The frames of a clip are averaged over windows of ``window`` time steps, one every ``hop`` steps and one at the end. A
window's score is the mean over bands of the distance to the nearest window of any train normal in the same band. The
clip's score pools those of its windows: "mean", "max", or "top", the mean of the largest ``share`` of them. A fault
that sounds now and then stands out in its window, while the mean of a whole clip hides it. Localized matching is
reported for DCASE 2026 ("Robust train-normal calibration") without a formula, as a loss in all but the target domain;
windows and bands as here are our choice.

Needs the pooling ``frames``. Leave-one-out is exact: all windows of a clip are left out together. Time: the products of
n_windows queries for a clip with n_train * n_windows windows, that is n_windows^2 times a nearest-neighbour search.
Memory: all windows in float64 and in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.references import large_enough, members_of, references_left
from asdcore_plugins.scorers.bases.scorer import LeaveOutScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import check_frames
from asdcore_plugins.stats.learned import Count, State, Stored, read_only
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import (
    choice,
    exact,
    fraction,
    metric_name,
    reference_names,
    whole,
)

POOLS = ("mean", "max", "top")

GRID = 2.0**30


class Temporal(LeaveOutScorer):
    """Distance of a clip's windows to the nearest windows of train normals; in the unit of the distance.

    A reference with fewer than 2 train clips is left out.

    Parameters
    ----------
    window, hop
        Length and distance of windows, in time steps of the encoder's tokens (12 and 6 are 2 s and 1 s for BEATs and
        EAT). A clip shorter than a window is one window.
    pool
        "mean", "max" or "top" over windows.
    share
        Share of the windows that "top" averages, 0 to 1: the nearest whole number of them, at least one.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.

    Raises
    ------
    ValueError
        If ``window`` or ``hop`` is not positive, or another parameter is not allowed.

    Examples
    --------
    Two train clips with the same level throughout, and a clip with a bang in its second half:

    >>> import numpy as np
    >>> train = np.stack([np.full((4, 1, 2), level, np.float32) for level in (0.0, 1.0)])
    >>> scorer = Temporal(window=2, hop=2, pool="max", metric="euclidean").fit(train, np.full(2, "source"))
    >>> clip = train[:1].copy()
    >>> clip[:, 2:] = [4.0, 5.0]
    >>> scorer.score(clip)["pooled"].tolist()
    [5.0]
    """

    name = "temporal"

    _n: Count
    _members: Annotated[Mapping[str, Indices], "+", "n"]

    def __init__(
        self,
        window: int = 12,
        hop: int = 6,
        pool: str = "mean",
        share: float = 0.1,
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._window, self._hop, self._share = whole("window", window), whole("hop", hop), fraction("share", share)
        self._pool = choice("pool", pool, POOLS)
        self._metric, self._references = metric_name(metric), reference_names(references)

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        members = large_enough("temporal", members_of(domain, self._references), 2)
        if self._metric == "cosine" and features.shape[-1] == 1:
            raise DataError("a band of one value has no direction: use metric = 'euclidean'")
        self._members = members
        self._remember(self._windows(features))

    def _state(self) -> State:
        shape = self._n, self._count, self._shape[1]
        windows = np.stack([memory.rows.reshape(shape) for memory in self._memories], axis=2)
        return {**super()._state(), "windows": read_only(windows)}

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        self._remember(stored.read("windows", Floats, "n + + +"))

    def _remember(self, windows: Floats) -> None:
        """Lay the windows (n_train, n_windows, band, dim) out to be searched, band by band."""
        (self._n, self._count), self._shape = windows.shape[:2], windows.shape[2:]
        owner = np.repeat(np.arange(self._n), self._count)
        rows = {name: np.flatnonzero(np.isin(owner, clips)) for name, clips in self._members.items()}
        self._memories = [
            NearestRows(windows[:, :, band].reshape(len(owner), -1), self._metric, rows, owner)
            for band in range(self._shape[0])
        ]

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        windows = self._windows(features)
        if windows.shape[2:] != self._shape:
            raise DataError(
                f"features of {windows.shape[2]} bands of {windows.shape[3]} values cannot be compared with train "
                f"normals of {self._shape[0]} of {self._shape[1]}"
            )
        by_band = np.ascontiguousarray(np.moveaxis(windows, 2, 0)).reshape(self._shape[0], -1, self._shape[1])
        distances = [memory.distances(rows) for memory, rows in zip(self._memories, by_band, strict=True)]
        return self._scores(distances, windows.shape[1])

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: frames (1, time, band, dim) of any time -> {reference: (1,)}."""
        self._check_fitted()
        windows = self._windows_to_onnx(features.reshape(-1, *self._shape))
        by_band = [memory.distances_to_onnx(windows.take(i, axis=1)) for i, memory in enumerate(self._memories)]
        by_window = {name: np.stack([band[name] for band in by_band]).mean(0) for name in by_band[0]}
        return {name: self._pooled_to_onnx(scores) for name, scores in by_window.items()}

    def _windows_to_onnx(self, frames: OnnxValue) -> OnnxValue:
        """Write :meth:`_windows` of one clip: (time, band, dim) -> (n_windows, band, dim)."""
        zero, one, hop = (frames.graph.constant(number, np.int64) for number in (0, 1, self._hop))
        time = frames.op("Shape", start=0, end=1).take(0)
        length = time.op("Min", frames.graph.constant(self._window, np.int64))
        last = time - length
        count = (last + hop - one) / hop + one  # whole numbers: the quotient is rounded down
        starts = (zero.op("Range", count, one) * hop).op("Min", last)
        return frames.take(starts.reshape(-1, 1) + zero.op("Range", length, one)).mean(1)

    def _pooled_to_onnx(self, scores: OnnxValue) -> OnnxValue:
        """Write :meth:`_pooled` of one clip: (n_windows,) -> (1,)."""
        if self._pool != "top":
            return scores.max(0, keepdims=True) if self._pool == "max" else scores.mean(0, keepdims=True)
        count = scores.op("Shape").astype(np.float64) * self._share
        # A product of numbers that are not binary may miss the half that is rounded to even; the grid restores it.
        kept = (((count * GRID).op("Round") / GRID).op("Round")).op("Max", 1.0).astype(np.int64)
        largest, _ = scores.graph.several(2, "TopK", scores, kept, axis=0)
        return largest.mean(0, keepdims=True)

    def _score_left_out(self, without: Sequence[Indices] | None) -> Mapping[str, Floats]:
        gone = None if without is None else Without(without, self._n)
        kept = references_left(gone, self._members, 1, "temporal")
        scores = self._scores([memory.distances_left_out(gone) for memory in self._memories], self._count)
        return {name: scores[name] for name in kept}

    def _scores(self, by_band: Sequence[Mapping[str, Floats]], count: int) -> dict[str, Floats]:
        """Distances {reference: (n * count,)} in every band, of ``count`` windows a clip -> scores (n,)."""
        # Contiguous by clip, so that the order of a clip's sums does not depend on how many clips there are.
        by_clip = {
            name: np.ascontiguousarray(np.stack([band[name] for band in by_band]).T).mean(axis=1).reshape(-1, count)
            for name in by_band[0]
        }
        return {name: self._pooled(windows) for name, windows in by_clip.items()}

    def _pooled(self, scores: Floats) -> Floats:
        """(n, n_windows) -> (n,)."""
        counts = {"mean": scores.shape[1], "max": 1, "top": max(1, round(exact(self._share) * scores.shape[1]))}
        kept = counts[self._pool]
        return np.asarray(np.ascontiguousarray(np.sort(scores, axis=1)[:, -kept:]).mean(axis=1))

    def _windows(self, features: Floats32) -> Floats:
        """(n, time, band, dim) -> means over windows (n, n_windows, band, dim) float64."""
        check_frames(features, "temporal")
        time = features.shape[1]
        last = max(time - self._window, 0)
        starts = sorted({*range(0, last + 1, self._hop), last})
        means = [features[:, start : start + self._window].astype(np.float64).mean(axis=1) for start in starts]
        return np.stack(means, axis=1)
