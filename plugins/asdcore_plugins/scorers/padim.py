"""Patch distribution modelling (PaDiM): a Gaussian at every place of a spectrogram, of which the most unlikely counts.

A patch x of a clip, at band b, has the distance sqrt((x - m_b)' Sigma_b^-1 (x - m_b)) with the mean and the covariance
of all train-normal patches at that band, Sigma_b + ridge I; a clip's score is the largest of its patches' distances
(Defard, Setkov, Loesch and Audigier, "PaDiM: a patch distribution modeling framework for anomaly detection and
localization", ICPR 2020). As there, a random choice of the channels stands for all of them. Unlike an image, a
recording begins anywhere: a place is a band, whatever the time.

Reads frames (n_clips, time, band, dim); or pooled features, with ``bands``. With d channels fitting takes time band d^2
operations a clip and band d^3 in the end, a score time band d^2. Memory: band d^2, and the patches of one band in
float64 while fitting. Train normals are scored in folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.scorers.bases.per_reference import PerReference
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.parameters import between, share_of, whole


class PaDiM(PerReference):
    """Gaussians of patches for each reference; a reference of fewer than 2 train clips is left out.

    channels : of a patch, chosen at random where it has more (100). ridge : added to every variance, in squared units
    of the features (0.01). top : share of a clip's patches, those farthest out, whose mean distance is the score; 0 is
    the farthest alone (0). bands : of pooled features; None reads frames alone. seed : of the choice of channels (0).
    references : (pooled).
    """

    name = "padim"

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
        self._bands = None if bands is None else whole("bands", bands)

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip, at most: every value of a patch with each of the chosen channels."""
        return len(self._references) * self._channels * dim

    def _clips(self, features: Floats32) -> Floats32:
        return frames(features, self.name, self._bands)

    def _estimate(self, clips: Floats32) -> _Places:
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
        return _Places(chosen, np.array(means), np.array(whiteners), self._top)


@dataclass(frozen=True)
class _Places:
    """chosen (d,) channels; means (band, d), whiteners (band, d, d); top, the share of patches that counts."""

    chosen: NDArray[np.intp]
    means: Floats
    whiteners: Floats
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
