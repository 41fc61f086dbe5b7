"""Patch distribution modelling (PaDiM): a Gaussian for every band of a spectrogram; the most unlikely patch counts.

A patch x of a clip, at band b, has the distance sqrt((x - m_b)' (Sigma_b + ridge I)^-1 (x - m_b)) with the mean and the
covariance of all train-normal patches at that band. A clip's score is the largest of its patches' distances (Defard,
Setkov, Loesch and Audigier, "PaDiM: a patch distribution modeling framework for anomaly detection and localization",
ICPR 2020). As there, a random choice of the channels stands for all of them. Unlike an image, a recording may begin at
any moment, so patches at all times of a band share one Gaussian.

Reads frames (n_clips, time, band, dim); or pooled features, with ``bands``. With d channels fitting takes time band d^2
operations for a clip and band d^3 in the end, a score time band d^2. Memory: band d^2, and the patches of one band in
float64 while fitting. Train normals are scored in folds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.scorers.bases.per_reference import PerReference
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.learned import LEARNED, Learned
from asdcore_plugins.stats.parameters import between, share_of, whole, whole_or_none


class PaDiM(PerReference):
    """Gaussians of patches for each reference; scores are without unit.

    A reference of fewer than 2 train clips is left out.

    Parameters
    ----------
    channels
        The most channels of a patch that count, chosen at random.
    ridge
        Added to every variance, in squared units of the features.
    top
        Share of a clip's patches, those farthest out and rounded up, whose mean distance is the score; 0 takes only the
        farthest.
    bands
        Bands of pooled features; None refuses pooled features.
    seed
        Seed of the choice of channels.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``ridge`` is not positive, ``top`` not from 0 to below 1, or another parameter not allowed.

    References
    ----------
    T. Defard, A. Setkov, A. Loesch and R. Audigier, "PaDiM: a patch distribution modeling framework for anomaly
    detection and localization", ICPR 2020.

    Examples
    --------
    The patches of the one band have the variance 4, with the ridge 9; so distances are in units of 3:

    >>> import numpy as np
    >>> train = np.array([-2.0, 0.0, 2.0], np.float32).reshape(3, 1, 1, 1)
    >>> scorer = PaDiM(ridge=5.0).fit(train, np.full(3, "source"))
    >>> scorer.score(np.array([3.0, -6.0], np.float32).reshape(2, 1, 1, 1))["pooled"].tolist()
    [1.0, 2.0]
    """

    name = "padim"

    _shape: Annotated[tuple[int, ...], "time band dim"]
    _models: Annotated[Mapping[str, _BandGaussians], LEARNED]

    def __init__(
        self,
        channels: int = 100,
        ridge: float = 0.01,
        top: float = 0.0,
        bands: int | None = None,
        seed: int = 0,
        references: Sequence[str] = ("pooled",),
    ) -> None:
        super().__init__(references)
        self._channels, self._seed = whole("channels", channels), whole("seed", seed, least=0)
        self._ridge = between("ridge", ridge, 0, math.inf)
        self._top = between("top", top, 0, 1) if top != 0 else 0.0
        self._bands = whole_or_none("bands", bands)

    def macs(self, n_train: int, dim: int) -> int:
        """Return the most multiply-accumulates to score one clip: every value of a patch with each channel."""
        return len(self._references) * self._channels * dim

    def _parameters(self) -> Mapping[str, Any]:
        return {"top": self._top}

    def _clips(self, features: Floats32) -> Floats32:
        return frames(features, self.name, self._bands)

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, ...) -> {reference: (1,)}."""
        self._check_fitted()
        patches, frames = self._shape[0] * self._shape[1], features.reshape(*self._shape)
        counted = max(1, share_of(self._top, patches))
        return {name: model.to_onnx(frames, counted) for name, model in self._models.items()}

    def _estimate(self, clips: Floats32) -> _BandGaussians:
        dim = clips.shape[3]
        chosen = np.sort(np.random.default_rng(self._seed).permutation(dim)[: self._channels])
        means, whiteners = [], []
        for band in range(clips.shape[2]):
            patches = clips[:, :, band][..., chosen].reshape(-1, len(chosen)).astype(np.float64)
            means.append(patches.mean(axis=0))
            patches -= means[-1]
            # With S = V diag(v) V', the distance is the length of (v + ridge)^-1/2 V' (x - m); below 0, v is rounding.
            variances, vectors = np.linalg.eigh(patches.T @ patches / (len(patches) - 1))
            whiteners.append(vectors.T / np.sqrt(np.maximum(variances, 0.0) + self._ridge)[:, None])
        return _BandGaussians(chosen, np.array(means), np.array(whiteners), self._top)


@dataclass(frozen=True)
class _BandGaussians(Learned):
    """A Gaussian for each band.

    Parameters
    ----------
    chosen
        (d,) channels that count.
    means
        (band, d) mean patches.
    whiteners
        (band, d, d) matrices W with W'W the inverse covariance.
    top
        Share of a clip's patches that counts.
    """

    chosen: Annotated[Indices, "d", "dim"]
    means: Annotated[Floats, "band d"]
    whiteners: Annotated[Floats, "band d d"]
    top: float

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> (n,)."""
        scores = np.empty(len(clips))
        # One clip at a time, and einsum: the rounding of a clip must not depend on how many there are, nor on threads.
        for i, clip in enumerate(clips):
            centred = clip[..., self.chosen] - self.means
            whitened = np.einsum("bij,tbj->tbi", self.whiteners, centred)
            distances = np.sort(np.sqrt(np.square(whitened).sum(axis=2)).ravel())
            scores[i] = distances[-max(1, share_of(self.top, len(distances))) :].mean()
        return scores

    def to_onnx(self, frames: OnnxValue, counted: int) -> OnnxValue:
        """Write :meth:`scores` of one clip: (time, band, dim), and how many patches count -> (1,)."""
        centred = frames.take(self.chosen, axis=2) - self.means
        whitened = centred.transpose(1, 0, 2) @ np.ascontiguousarray(self.whiteners.transpose(0, 2, 1))
        squares, graph = (whitened * whitened).sum(2).reshape(-1), frames.graph
        largest, _ = graph.several(2, "TopK", squares, graph.constant([counted], np.int64), axis=0)
        return largest.op("Sqrt").mean(0, keepdims=True)
