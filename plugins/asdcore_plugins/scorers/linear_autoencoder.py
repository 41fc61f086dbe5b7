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
from functools import reduce
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import get_cached_controller

from asdcore import DOMAINS, REFERENCES, DataError, OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import framed_to_onnx
from asdcore_plugins.scorers.bases.frame_windows import BLOCK, MOST, windows
from asdcore_plugins.scorers.bases.per_reference import PerReference, with_spread
from asdcore_plugins.scorers.bases.residuals import SCORES, SMALLEST, no_variance
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.learned import LEARNED, Learned, Stored
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import choice, whole


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

    _shape: Annotated[tuple[int, ...], "time band dim"]
    _models: Annotated[Mapping[str, _Autoencoder], LEARNED]
    _spread: Annotated[_Spread | None, LEARNED]

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

    def _parameters(self) -> Mapping[str, Any]:
        return {"stacked": self._stacked, "by_frame": self._kind == "mahalanobis"}

    def _restore(self, stored: Stored) -> None:
        _, band, dim = stored.read("shape", tuple[int, ...], "time band dim")
        stored.sizes.update(M=self._stacked * band * dim, row=self._row(band * dim))
        super()._restore(stored)
        if (self._spread is None) != (self._kind == "mse"):
            raise stored.refused("spread", "None" if self._spread is None else "there", f"that of score {self._kind!r}")

    def _row(self, of_frame: int) -> int:
        """Return how many values one residual has whose covariance counts: those of a frame, or of a window."""
        return of_frame if self._kind == "mahalanobis" else self._stacked * of_frame

    def _estimated(self, clips: Floats32, members: Mapping[str, NDArray[np.intp]]) -> Mapping[str, _Autoencoder]:
        self._spread = None
        if self._kind == "mse":
            return {name: self._estimate(with_spread(clips[rows])) for name, rows in members.items()}
        common, whiteners = self._estimate(with_spread(clips[members["pooled"]])), {}
        for name in DOMAINS:
            if name in members and (whitener := self._whitener(common, clips[members[name]], name)) is not None:
                whiteners[name] = whitener
        self._spread = _Spread(whiteners, self._kind == "mahalanobis")
        if not whiteners or not self._spread.references(self._references):
            raise DataError(
                f"{self.name} with score {self._kind!r} finds too few residuals in {', '.join(self._references)} to "
                "invert their covariance: give it more train normals, or take score 'mse'"
            )
        return {"pooled": common}

    def _scored(self, clips: Floats32) -> dict[str, Floats]:
        if self._spread is None:
            return super()._scored(clips)
        return self._spread.scores(self._models["pooled"], clips, self._spread.references(self._references))

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: frames (1, time, band, dim) -> {reference: (1,)}."""
        self._check_fitted()
        frames = features.reshape(*self._shape)
        if self._spread is None:
            residuals = {name: model.residuals_to_onnx(frames) for name, model in self._models.items()}
            return {name: (rows * rows).mean(0, 1).reshape(1) for name, rows in residuals.items()}
        rows = self._models["pooled"].residuals_to_onnx(frames)
        return self._spread.scores_to_onnx(rows, self._spread.references(self._references))

    def _whitener(self, common: _Autoencoder, clips: Floats32, name: str) -> Floats | None:
        """(n, time, band, dim) of one domain -> W with W W' = S_d^-1, or None for too few residuals."""
        width = self._row(len(common.mean) // self._stacked)
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
        return np.asarray(directions / np.sqrt(np.maximum(variances, SMALLEST * variances[-1])))

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
class _Autoencoder(Learned):
    """The mean (M,), a basis (components, M) of orthonormal rows, and the frames that a window stacks."""

    mean: Annotated[Floats, "M"]
    basis: Annotated[Floats, "components M"]
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

    def residuals_to_onnx(self, frames: OnnxValue) -> OnnxValue:
        """Write :meth:`residuals`: (time, band, dim) -> (windows, M)."""
        centred = framed_to_onnx(frames, self.stacked, 1).reshape(-1, len(self.mean)) - self.mean
        inside: OnnxValue = centred @ np.ascontiguousarray(self.basis.T)
        return centred - inside @ self.basis


@dataclass(frozen=True)
class _Spread(Learned):
    """How the residuals of each domain vary.

    Parameters
    ----------
    whiteners
        For each domain a matrix W (row, row) with W W' the inverse covariance.
    by_frame
        Take the mean residual of a frame, instead of whole windows one by one.
    """

    whiteners: Annotated[Mapping[str, Floats], "row row"]
    by_frame: bool

    def references(self, wanted: Sequence[str]) -> list[str]:
        """Return those of the wanted references that have a score."""
        return [name for name in wanted if name == "pooled" or name in self.whiteners]

    def scores(self, common: _Autoencoder, clips: Floats32, references: Sequence[str]) -> dict[str, Floats]:
        """(n, time, band, dim) -> {reference: (n,)}; pooled is the nearer domain of each residual."""
        scores = {name: np.empty(len(clips)) for name in references}
        # One clip at a time, on one thread: its rounding must not depend on the others.
        with get_cached_controller().limit(limits=1):
            for i, clip in enumerate(clips):
                rows = common.residuals(clip)
                if self.by_frame:
                    width = len(next(iter(self.whiteners.values())))
                    rows = rows.reshape(-1, width).mean(axis=0, keepdims=True)
                distances = {name: np.square(rows @ each).sum(axis=1) for name, each in self.whiteners.items()}
                distances["pooled"] = np.minimum.reduce(list(distances.values()))
                for name in references:
                    scores[name][i] = distances[name].mean()
        size = 1 if self.by_frame else len(common.mean)
        return {name: values / size for name, values in scores.items()}

    def scores_to_onnx(self, residuals: OnnxValue, references: Sequence[str]) -> dict[str, OnnxValue]:
        """Write :meth:`scores` of one clip: its residuals (windows, M) -> {reference: (1,)}."""
        rows, width, size = residuals, len(next(iter(self.whiteners.values()))), 1.0
        if self.by_frame:
            rows = residuals.reshape(-1, width).mean(0, keepdims=True)
        else:
            size = float(width)
        whitened = {name: rows @ each for name, each in self.whiteners.items()}
        distances = {name: (each * each).sum(1) for name, each in whitened.items()}
        distances["pooled"] = written(reduce, np.minimum, list(distances.values()))
        return {name: distances[name].mean(0, keepdims=True) / size for name in references}
