"""The best linear autoencoder of stacked frames: the baseline's network without its nonlinearities.

A clip is cut into windows of 5 consecutive frames, one frame apart, each a vector psi of M = 5 band dim values. Here
r is the linear autoencoder of the same bottleneck with the least squared error on the train normals. It has a closed
form: the projection on their first principal components (Baldi and Hornik, "Neural networks and principal component
analysis", Neural Networks 2, 1989). No training, no seed. The score follows from its residuals e_k = psi_k - r(psi_k),
with the names that ``autoencoder`` has for the challenge's baseline (Harada et al., EUSIPCO 2023, with
640-128-128-128-128-8-128-128-128-128-640 units):

    mse                 mean_k |e_k|^2 / M               each reference with an autoencoder of its own
    mahalanobis         m' S_d^-1 m, m the mean residual of a frame             one autoencoder, of all train normals
    mahalanobis_paper   mean_k e_k' S_d^-1 e_k / M                                             one autoencoder, as well

S_d is the covariance of the residuals of domain d, frame by frame, or for ``mahalanobis_paper`` of whole windows. It is
the usual covariance: that of the official code without its batches and a constant factor. ``pooled`` takes the smaller
domain: of the two scores of a clip for ``mahalanobis``, of the two distances of a window for ``mahalanobis_paper``.

Reads frames (n_clips, time, band, dim); those of ``logmel`` with its defaults are the baseline's. Fitting takes time
M^2 operations for a clip, a score 2 time M components, ``mahalanobis_paper`` 2 time M^2 more. Memory: 3 M^2, M at most
4096. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from asdcore import DataError
from asdcore_plugins.scorers.bases.frame_windows import BLOCK, MOST, windows
from asdcore_plugins.scorers.bases.per_reference import Model, PerReference, with_spread
from asdcore_plugins.scorers.bases.residuals import DOMAINS, SCORES, SMALLEST, no_variance
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.parameters import REFERENCES, choice, whole


class LinearAutoencoder(PerReference):
    """Scores clips by what the best linear autoencoder fails to reproduce.

    A reference of fewer than 2 train clips is left out. So is a domain whose residuals are too few for the inverse of
    their covariance: ``pooled`` is then the other domain.

    Parameters
    ----------
    components
        Size of the bottleneck.
    stacked
        Consecutive frames in a window.
    references
        The references to score against: some of "pooled", "source", "target".
    score
        "mse", "mahalanobis" or "mahalanobis_paper", as above.

    Raises
    ------
    ValueError
        If ``score`` is unknown, or another parameter is not allowed.

    References
    ----------
    P. Baldi and K. Hornik, "Neural networks and principal component analysis", Neural Networks 2, 1989. N. Harada et
    al., EUSIPCO 2023, for the scores.

    Examples
    --------
    Train normals have equal bands, so one component reproduces them, and no clip whose bands differ:

    >>> import numpy as np
    >>> train = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]], np.float32).reshape(3, 1, 2, 1)
    >>> scorer = LinearAutoencoder(components=1, stacked=1).fit(train, np.full(3, "source"))
    >>> clips = np.array([[9.0, 9.0], [3.0, 5.0]], np.float32).reshape(2, 1, 2, 1)
    >>> scorer.score(clips)["pooled"].round(6).tolist()
    [0.0, 1.0]
    """

    name = "linear_autoencoder"

    def __init__(
        self, components: int = 8, stacked: int = 5, references: Sequence[str] = ("pooled",), score: str = "mse"
    ) -> None:
        super().__init__(references)
        self._kind = choice("score", score, SCORES)
        self._components, self._stacked = whole("components", components), whole("stacked", stacked)
        if score != "mse":
            self._banked = REFERENCES

    def macs(self, n_train: int, dim: int) -> int:
        """Return the most multiply-accumulates to score one clip: every window onto the bottleneck and back.

        ``mahalanobis`` adds next to nothing. What ``mahalanobis_paper`` adds depends on the bands and is not counted.
        """
        count = len(self._references) if self._kind == "mse" else 1
        return count * 2 * self._components * self._stacked * dim

    def _clips(self, features: Floats32) -> Floats32:
        return frames(features, self.name)

    def _estimated(self, clips: Floats32, members: Mapping[str, NDArray[np.intp]]) -> dict[str, Model]:
        if self._kind == "mse":
            return super()._estimated(clips, members)
        common, whiteners = self._estimate(with_spread(clips[members["pooled"]])), {}
        for name in DOMAINS:
            if name in members and (whitener := self._whitener(common, clips[members[name]], name)) is not None:
                whiteners[name] = whitener
        by_frame = self._kind == "mahalanobis"
        models: dict[str, Model] = {name: _Selective(common, (each,), by_frame) for name, each in whiteners.items()}
        models["pooled"] = _Selective(common, tuple(whiteners.values()), by_frame)
        models = {name: models[name] for name in self._references if name in models and whiteners}
        if not models:
            raise DataError(
                f"{self.name} with score {self._kind!r} finds too few residuals in {', '.join(self._references)} to "
                "invert their covariance: give it more train normals, or take score 'mse'"
            )
        return models

    def _whitener(self, common: _Autoencoder, clips: Floats32, name: str) -> Floats | None:
        """(n, time, band, dim) of one domain -> W with W'W = S_d^-1, or None for too few residuals."""
        width = len(common.mean) // (self._stacked if self._kind == "mahalanobis" else 1)
        total, scatter, count = np.zeros(width), np.zeros((width, width)), 0
        for clip in clips:
            rows = common.residuals(clip).reshape(-1, width)
            total, scatter, count = total + rows.sum(axis=0), scatter + rows.T @ rows, count + len(rows)
        if count <= width:
            return None
        power = np.trace(scatter) / count
        variances, directions = np.linalg.eigh((scatter - np.outer(total, total) / count) / (count - 1))
        if not variances[-1] > SMALLEST * power:
            raise no_variance(name)
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
            centred = np.concatenate([windows(clip, self._stacked) for clip in clips[start : start + at_once]]) - mean
            scatter += centred.T @ centred
        values, vectors = eigh(scatter, subset_by_index=[width - self._components, width - 1])
        kept = values > values[-1] * width * np.finfo(np.float64).eps
        return _Autoencoder(mean, np.ascontiguousarray(vectors.T[kept]), self._stacked)


@dataclass(frozen=True)
class _Autoencoder:
    """The mean (M,), a basis (components, M) of orthonormal rows, and the frames that a window stacks."""

    mean: Floats
    basis: Floats
    stacked: int

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> mean squared error (n,)."""
        return np.array([np.square(self.residuals(clip)).mean() for clip in clips], dtype=np.float64)

    def residuals(self, clip: Floats32) -> Floats:
        """(time, band, dim) -> windows less their reconstructions (windows, M)."""
        centred = windows(clip, self.stacked) - self.mean
        # einsum, one clip at a time: its rounding must not depend on how many there are, nor on threads.
        inside = np.einsum("km,wm->wk", self.basis, centred)
        return np.asarray(centred - np.einsum("km,wk->wm", self.basis, inside))


@dataclass(frozen=True)
class _Selective:
    """The smaller distance of residuals by one or two covariances.

    Parameters
    ----------
    common
        The autoencoder.
    whiteners
        For each covariance a matrix W with W'W its inverse.
    by_frame
        Take the mean residual of a frame, instead of whole windows one by one.
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
                distances = [np.square(rows @ whitener.T).sum(axis=1) for whitener in self.whiteners]
                scores[i] = np.minimum.reduce(distances).mean()
        return scores if self.by_frame else scores / len(self.common.mean)
