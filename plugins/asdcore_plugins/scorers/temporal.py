"""Windows of a clip against all windows of the train normals, whenever they were heard.

The frames of a clip are averaged over windows of ``window`` time steps, one every ``hop`` steps and one at the end. A
window's score is the mean over bands of the distance to the nearest window of any train normal in the same band; the
clip's score pools those of its windows: "mean", "max", or "top", the mean of the largest ``share`` of them. A fault
that sounds now and then stands out in its window, where the mean of a whole clip buries it. Localised matching is
reported for DCASE 2026 ("Robust train-normal calibration") without a formula, as a loss in all but the target domain;
windows and bands as here are our choice.

Needs the pooling ``frames``. Leave-one-out is exact: all windows of a clip are left out together. Time: the products of
n_windows queries a clip with n_train * n_windows windows, that is n_windows^2 times a nearest-neighbour search. Memory:
all windows in float64 and in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without, hookimpl
from asdcore_plugins.scorers.bases.references import references_left
from asdcore_plugins.stats.arrays import Floats, Indices
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import METRICS, REFERENCES, exact, fraction, whole

POOLS = ("mean", "max", "top")


class Temporal:
    """Distance of a clip's windows to the nearest windows; a reference with fewer than 2 train clips is left out.

    window, hop : time steps of the encoder's tokens (12 and 6 are 2 s and 1 s for BEATs and EAT). A clip shorter than a
        window is one window. pool : "mean", "max" or "top". share : of the windows that "top" averages, 0 to 1; at
        least one.
    """

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
        if pool not in POOLS:
            raise ValueError(f"pool must be one of {', '.join(POOLS)}, got {pool!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._pool, self._metric, self._references = pool, metric, tuple(references)
        self._memories: list[NearestRows] = []

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Temporal:
        """(n_train, time, band, dim) features and their domains; keeps their windows."""
        self._memories = []
        clips = {name: (domain == name) | np.full(len(domain), name == "pooled") for name in self._references}
        clips = {name: some for name, some in clips.items() if some.sum() > 1}
        if not clips:
            among = ", ".join(self._references)
            raise DataError(f"temporal needs at least 2 train normals in one of its references {among}")
        if self._metric == "cosine" and features.shape[-1] == 1:
            raise DataError("a band of one value has no direction: use metric = 'euclidean'")
        windows = self._windows(features)
        (self._n, self._count), self._shape = windows.shape[:2], windows.shape[2:]
        self._clips = {name: np.flatnonzero(some) for name, some in clips.items()}
        owner = np.repeat(np.arange(self._n), self._count)
        members = {name: np.flatnonzero(some[owner]) for name, some in clips.items()}
        self._memories = [
            NearestRows(windows[:, :, band].reshape(len(owner), -1), self._metric, members, owner)
            for band in range(self._shape[0])
        ]
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, time, band, dim) -> {reference: (n_clips,)}; clips may have another time than the train normals."""
        self._check_fitted()
        windows = self._windows(features)
        if windows.shape[2:] != self._shape:
            raise DataError(
                f"features of {windows.shape[2]} bands of {windows.shape[3]} values cannot be compared with train "
                f"normals of {self._shape[0]} of {self._shape[1]}"
            )
        by_band = np.ascontiguousarray(np.moveaxis(windows, 2, 0)).reshape(self._shape[0], -1, self._shape[1])
        found = [memory.distances(rows) for memory, rows in zip(self._memories, by_band, strict=True)]
        return self._scores(found, windows.shape[1])

    def score_left_out(self, without: Sequence[Indices] | None = None) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each against the windows of the others.

        without : for each clip, the clips whose windows it is not compared with either. A reference of which nothing
            would be left for some clip is left out.
        """
        self._check_fitted()
        gone = None if without is None else Without(without, self._n)
        kept = references_left(gone, self._clips, 1, "temporal")
        scores = self._scores([memory.distances_left_out(gone) for memory in self._memories], self._count)
        return {name: scores[name] for name in kept}

    def _scores(self, found: Sequence[Mapping[str, Floats]], count: int) -> dict[str, Floats]:
        """Distances {reference: (n * count,)} of ``count`` windows a clip in every band -> scores (n,)."""
        # Contiguous by clip, so that the order of a clip's sums does not depend on how many clips there are.
        by_clip = {
            name: np.ascontiguousarray(np.stack([one[name] for one in found]).T).mean(axis=1).reshape(-1, count)
            for name in found[0]
        }
        return {name: self._pooled(one) for name, one in by_clip.items()}

    def _pooled(self, scores: Floats) -> Floats:
        """(n, n_windows) -> (n,)."""
        kept = {"mean": scores.shape[1], "max": 1, "top": max(1, round(exact(self._share) * scores.shape[1]))}[
            self._pool
        ]
        return np.asarray(np.ascontiguousarray(np.sort(scores, axis=1)[:, -kept:]).mean(axis=1))

    def _windows(self, features: NDArray[np.float32]) -> Floats:
        """(n, time, band, dim) -> means over windows (n, n_windows, band, dim) float64."""
        if features.ndim != 4:
            raise DataError(
                f"temporal reads frames (time, band, dim), got {features.shape[1:]} values a clip. Use the pooling "
                "'frames'."
            )
        time = features.shape[1]
        last = max(time - self._window, 0)
        starts = sorted({*range(0, last + 1, self._hop), last})
        means = [features[:, start : start + self._window].astype(np.float64).mean(axis=1) for start in starts]
        return np.stack(means, axis=1)

    def _check_fitted(self) -> None:
        if not self._memories:
            raise DataError("this temporal has no train normals yet: call fit(features, domain) first")


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``temporal``."""
    register("temporal", Temporal)
