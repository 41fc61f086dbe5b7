"""The best linear autoencoder of stacked frames: what the baseline's network would be without its nonlinearities.

A clip is cut into windows of 5 consecutive frames, one frame apart, each a vector psi of M = 5 band dim values. Here
r is the linear autoencoder of the same bottleneck with the least squared error on the train normals, known in closed
form: the projection on their first principal components (Baldi and Hornik, "Neural networks and principal component
analysis", Neural Networks 2, 1989). No training, no seed. Its residuals e_k = psi_k - r(psi_k) make the score, under
the names that ``autoencoder`` has for the challenge's baseline (Harada et al., EUSIPCO 2023, with
640-128-128-128-128-8-128-128-128-128-640 units):

    mse                 mean_k |e_k|^2 / M               each reference with an autoencoder of its own
    mahalanobis         m' S_d^-1 m, m the mean residual of a frame             one autoencoder, of all train normals
    mahalanobis_paper   mean_k e_k' S_d^-1 e_k / M                                             one autoencoder, as well

S_d is the covariance of the residuals of domain d, frame by frame, or for ``mahalanobis_paper`` of whole windows: here
the usual one, which is the code's without its batches and without a constant factor. ``pooled`` takes the smaller
domain: of the two scores of a clip for ``mahalanobis``, of the two distances of a window for ``mahalanobis_paper``.

Reads frames (n_clips, time, band, dim); those of ``logmel`` with its defaults are the baseline's. Fitting takes time
M^2 operations a clip, a score 2 time M components, ``mahalanobis_paper`` 2 time M^2 more. Memory: 3 M^2, M at most
4096. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from asdcore import DataError
from asdcore_plugins.scorers.bases.per_reference import Model, PerReference, with_spread
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.parameters import REFERENCES, whole

MOST = 4096
"""The largest window, in values: its covariance takes 128 MiB."""

SCORES = ("mse", "mahalanobis", "mahalanobis_paper")
DOMAINS = ("source", "target")

SMALLEST = 1e-12
"""The smallest variance, relative to the largest: less, as along the components themselves, counts as this."""

BLOCK = 2**22
"""Values of windows that are held at once while fitting, in float64: 32 MiB."""


class LinearAutoencoder(PerReference):
    """Scores clips by what the best linear autoencoder cannot give back.

    components : the bottleneck (8). stacked : consecutive frames in a window (5). references : (pooled). score : "mse",
    "mahalanobis" or "mahalanobis_paper", as above. A reference of fewer than 2 train clips is left out, and a domain
    whose residuals are too few for the inverse of their covariance: ``pooled`` is then the other one.
    """

    name = "linear_autoencoder"

    def __init__(
        self, components: int = 8, stacked: int = 5, references: Sequence[str] = ("pooled",), score: str = "mse"
    ) -> None:
        super().__init__(references)
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        self._components, self._stacked, self._score = whole("components", components), whole("stacked", stacked), score
        if score != "mse":
            self._banked = REFERENCES

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip, at most: every window onto the bottleneck and back.

        ``mahalanobis`` adds next to nothing, ``mahalanobis_paper`` what only the number of bands tells: it is not here.
        """
        count = len(self._references) if self._score == "mse" else 1
        return count * 2 * self._components * self._stacked * dim

    def _clips(self, features: Floats32) -> Floats32:
        return frames(features, self.name)

    def _estimated(self, clips: Floats32, banks: Mapping[str, NDArray[np.intp]]) -> dict[str, Model]:
        if self._score == "mse":
            return super()._estimated(clips, banks)
        common, whiteners = self._estimate(with_spread(clips[banks["pooled"]])), {}
        for name in DOMAINS:
            if name in banks and (found := self._whitener(common, clips[banks[name]], name)) is not None:
                whiteners[name] = found
        by_frame = self._score == "mahalanobis"
        models: dict[str, Model] = {name: _Selective(common, (one,), by_frame) for name, one in whiteners.items()}
        models["pooled"] = _Selective(common, tuple(whiteners.values()), by_frame)
        models = {name: models[name] for name in self._references if name in models and whiteners}
        if not models:
            raise DataError(
                f"{self.name} with score {self._score!r} finds too few residuals in {', '.join(self._references)} to "
                "invert their covariance: give it more train normals, or take score 'mse'"
            )
        return models

    def _whitener(self, common: _Autoencoder, clips: Floats32, name: str) -> Floats | None:
        """(n, time, band, dim) of one domain -> W with W'W = S_d^-1, or None where there are too few residuals."""
        width = len(common.mean) // (self._stacked if self._score == "mahalanobis" else 1)
        total, scatter, count = np.zeros(width), np.zeros((width, width)), 0
        for clip in clips:
            rows = common.residuals(clip).reshape(-1, width)
            total, scatter, count = total + rows.sum(axis=0), scatter + rows.T @ rows, count + len(rows)
        if count <= width:
            return None
        power = np.trace(scatter) / count
        variances, directions = np.linalg.eigh((scatter - np.outer(total, total) / count) / (count - 1))
        if not variances[-1] > SMALLEST * power:
            raise DataError(
                f"all {name} train normals leave the same residuals, so no direction has a variance: they may be "
                "silent, or one clip repeated. Repair them, or take score 'mse'"
            )
        return np.asarray(directions.T / np.sqrt(np.maximum(variances, SMALLEST * variances[-1]))[:, None])

    def _estimate(self, clips: Floats32) -> _Autoencoder:
        time, width = clips.shape[1], self._stacked * clips.shape[2] * clips.shape[3]
        if time < self._stacked:
            raise DataError(f"clips of {time} frames hold no window of {self._stacked}. Set stacked to {time} at most.")
        if not self._components < width <= MOST:
            raise DataError(
                f"a window of {self._stacked} frames has {width} values; more than {self._components} components and "
                f"at most {MOST} are needed. Set components or stacked to less, or choose an encoder with fewer bands."
            )
        at_once = max(1, BLOCK // (time * width))
        # The windows of a sum of clips are the sums of their windows.
        total = windows(clips.sum(axis=0, dtype=np.float64), self._stacked)
        mean = total.sum(axis=0) / (len(total) * len(clips))
        scatter = np.zeros((width, width))
        for start in range(0, len(clips), at_once):
            some = np.concatenate([windows(clip, self._stacked) for clip in clips[start : start + at_once]]) - mean
            scatter += some.T @ some
        values, vectors = eigh(scatter, subset_by_index=[width - self._components, width - 1])
        kept = values > values[-1] * width * np.finfo(np.float64).eps
        return _Autoencoder(mean, np.ascontiguousarray(vectors.T[kept]), self._stacked)


@dataclass(frozen=True)
class _Autoencoder:
    """mean (M,), basis (components, M) of orthonormal rows, and how many frames a window stacks."""

    mean: Floats
    basis: Floats
    stacked: int

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> mean squared error (n,)."""
        return np.array([np.square(self.residuals(clip)).mean() for clip in clips], dtype=np.float64)

    def residuals(self, clip: Floats32) -> Floats:
        """(time, band, dim) -> what windows are less what comes back of them (windows, M)."""
        centred = windows(clip, self.stacked) - self.mean
        # einsum, one clip at a time: its rounding must not depend on how many there are, nor on threads.
        inside = np.einsum("km,wm->wk", self.basis, centred)
        return np.asarray(centred - np.einsum("km,wk->wm", self.basis, inside))


@dataclass(frozen=True)
class _Selective:
    """The smaller distance of residuals by one or two covariances, each as W with W'W their inverse.

    by_frame : of the mean residual of a frame, in place of whole windows one by one.
    """

    common: _Autoencoder
    whiteners: tuple[Floats, ...]
    by_frame: bool

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> (n,)."""
        scores = np.empty(len(clips))
        # One clip at a time, on one thread: its rounding must not depend on the others.
        with threadpool_limits(1):
            for i, clip in enumerate(clips):
                rows = self.common.residuals(clip)
                if self.by_frame:
                    rows = rows.reshape(-1, len(self.whiteners[0])).mean(axis=0, keepdims=True)
                distances = [np.square(rows @ one.T).sum(axis=1) for one in self.whiteners]
                scores[i] = np.minimum.reduce(distances).mean()
        return scores if self.by_frame else scores / len(self.common.mean)


def windows(clip: NDArray[Any], stacked: int) -> Floats:
    """(time, band, dim) -> (time - stacked + 1, stacked * band * dim) float64, frame after frame."""
    rows = clip.reshape(len(clip), -1).astype(np.float64)
    return np.hstack([rows[k : len(rows) - stacked + 1 + k] for k in range(stacked)])
