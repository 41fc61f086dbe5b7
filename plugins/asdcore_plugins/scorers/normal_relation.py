"""How the near channel follows from the far one among train normals, and how much a clip deviates from that.

A fault sounds at the machine: it changes what the near microphone hears more than what the far one does. So train
normals teach which near levels to expect, given the far levels of a few frames. A clip is described by:

    residual r  the mean over time of near levels less their prediction by ridge regression (Hoerl and Kennard,
                Technometrics 12, 1970) from the far levels of the frame, of 2 before it and of 2 after it;
    distance    d(r)^2 = (r - m)' Sigma^-1 (r - m), Sigma the shrunk covariance of the train normals' residuals (Ledoit
                and Wolf, J. Multivariate Analysis 88, 2004);
    relation q  level difference and coherence of the channels in 16 groups of bands, means over time; a mixture of two
                Gaussians with diagonal covariances describes them.

score = d(r)^2 / 2 - log p(q), the negative log-likelihood of both, as if independent, in nats and up to a constant. The
idea is ours; level differences and coherence are features of the DCASE 2026 technical report of Morita.

Reads frames (n_clips, time, band, dim) whose dim holds near level, far level and coherence in three equal parts, as
those of ``stereo_logmel`` do:

    view = "stereo"
    encoder = { name = "stereo_logmel", pooling = "frames" }

With W = 5 band dim / 3 values in a window, fitting takes time W^2 operations for a clip and W^3 in the end. A score
follows from means over time and takes W band dim. Memory: W^2, and a copy of the train clips. Train normals are scored
in folds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from scipy.linalg import solve

from asdcore import DataError, OnnxValue
from asdcore_plugins.scorers.bases.frame_windows import BLOCK, MOST, windows
from asdcore_plugins.scorers.bases.per_reference import PerReference
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.features import frames
from asdcore_plugins.stats.gaussians.gaussian import Gaussian, estimate
from asdcore_plugins.stats.gaussians.mixture import Mixture, fit_mixture
from asdcore_plugins.stats.learned import LEARNED, Learned, Stored
from asdcore_plugins.stats.parameters import between, whole

FEWEST = 4
"""Train clips that a covariance needs, as in the scorer ``mahalanobis``."""

LEAST = 1e-3
"""The smallest deviation of a level difference, in dB, or of a coherence that two microphones show."""

FLOOR = 0.1
"""Added to every variance of the mixture, as a share of the feature's own, so that few clips make no component."""


class NormalRelation(PerReference):
    """One model of both channels for each reference; scores are in nats.

    A reference of fewer than 4 train clips, or 2 for each component, is left out.

    Parameters
    ----------
    context
        Frames before and after the predicted one that the prediction reads.
    ridge
        Added to every variance of the far levels, as a share of their mean variance.
    bands
        Groups of bands in the relation; at most as many as there are bands.
    components
        Gaussians in the mixture of relations.
    seed
        Seed of the mixture's start.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``ridge`` is not positive, or another parameter is not allowed.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, Technometrics 12, 1970, for the regression. Morita, DCASE 2026 technical report, for
    the features.

    Examples
    --------
    Near levels follow far ones by 3 dB, until a fault adds 6 dB to the near channel:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> far = rng.normal(size=(20, 9, 2, 1))
    >>> near = far + 3.0 + 0.1 * rng.normal(size=far.shape)
    >>> train = np.concatenate([near, far, np.full_like(far, 0.8)], axis=3).astype(np.float32)
    >>> scorer = NormalRelation(context=0, components=1).fit(train, np.full(20, "source"))
    >>> fault = train[:1] + np.array([6.0, 0.0, 0.0], np.float32)
    >>> bool(scorer.score(fault)["pooled"][0] > scorer.score(train)["pooled"].max())
    True
    """

    name = "normal_relation"

    _shape: Annotated[tuple[int, ...], "time band dim"]
    _models: Annotated[Mapping[str, _Relation], LEARNED]

    def __init__(
        self,
        context: int = 2,
        ridge: float = 0.001,
        bands: int = 16,
        components: int = 2,
        seed: int = 0,
        references: Sequence[str] = ("pooled",),
    ) -> None:
        super().__init__(references)
        self._context, self._ridge = whole("context", context, least=0), between("ridge", ridge, 0, math.inf)
        self._bands, self._seed = whole("bands", bands), whole("seed", seed, least=0)
        self._components = whole("components", components)
        self.fewest = max(FEWEST, 2 * self._components)

    def _parameters(self) -> Mapping[str, Any]:
        return {"context": self._context, "bands": self._bands}

    def _restore(self, stored: Stored) -> None:
        _, band, dim = stored.read("shape", tuple[int, ...], "time band dim")
        third = dim // 3
        far = (2 * self._context + 1) * band * third
        stored.sizes.update(groups=1, D=band * third, far=far, width=2 * min(self._bands, band) * third)
        super()._restore(stored)

    def _clips(self, features: Floats32) -> Floats32:
        clips = frames(features, self.name)
        _, time, band, dim = clips.shape
        if dim % 3:
            raise DataError(
                f"normal_relation reads near level, far level and coherence, three values or three equal parts, and "
                f"these features have {dim} in a band. Take the view 'stereo' and the encoder 'stereo_logmel'."
            )
        if time <= 2 * self._context:
            raise DataError(
                f"clips of {time} frames hold no frame with {self._context} before and after it: set context to "
                f"{(time - 1) // 2} at most"
            )
        if (width := (2 * self._context + 1) * band * dim // 3) > MOST:
            raise DataError(
                f"a window has {width} far levels, at most {MOST} are allowed: set context to less, or choose an "
                "encoder with fewer bands"
            )
        return clips

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: frames (1, time, band, dim) -> {reference: (1,)}."""
        self._check_fitted()
        clip = features.reshape(*self._shape)
        return {name: model.to_onnx(clip, self._shape) for name, model in self._models.items()}

    def _estimate(self, clips: Floats32) -> _Relation:
        prediction = self._learned(clips)
        residuals = np.array([prediction.residual(clip) for clip in clips])
        relation = np.array([_relation(clip, self._bands) for clip in clips])
        centre, spread = relation.mean(axis=0), relation.std(axis=0)
        if (spread < LEAST).all():
            raise DataError(
                f"the channels differ by the same in all {len(clips)} train normals, as where one recording is both: "
                "there is no relation to learn. Use the view 'near', and another scorer."
            )
        scale = np.maximum(spread, LEAST)
        mixture = fit_mixture((relation - centre) / scale, self._components, self._seed, FLOOR)
        gaussian = estimate(residuals, np.zeros(len(residuals), np.intp))
        return _Relation(prediction, gaussian, centre, scale, mixture, self._bands)

    def _learned(self, clips: Floats32) -> _Prediction:
        """Fit the ridge regression of near levels on windows of far ones, over all frames of all clips."""
        third = clips.shape[3] // 3
        if not np.ptp(clips[..., third : 2 * third], axis=(0, 1)).any():
            raise DataError("the far channel is the same in all frames of all train normals, silent maybe: no relation")
        count = len(clips) * (clips.shape[1] - 2 * self._context)
        sums = [(near.sum(axis=0), far.sum(axis=0)) for near, far in self._blocks(clips)]
        near_mean, far_mean = (np.sum(part, axis=0) / count for part in zip(*sums, strict=True))
        width = len(far_mean)
        scatter, cross = np.zeros((width, width)), np.zeros((width, len(near_mean)))
        for near, far in self._blocks(clips):
            centred = far - far_mean
            scatter += centred.T @ centred
            cross += centred.T @ (near - near_mean)
        scatter[np.diag_indices(width)] += self._ridge * np.trace(scatter) / width
        weights = np.ascontiguousarray(solve(scatter, cross, assume_a="pos"))
        return _Prediction(near_mean, far_mean, weights, self._context)

    def _blocks(self, clips: Floats32) -> Iterator[tuple[Floats, Floats]]:
        """Yield near levels (frames, D) and windows of far ones (frames, W), block by block of clips."""
        per_clip = clips[0].size * (2 * self._context + 1) // 3
        at_once = max(1, BLOCK // per_clip)
        for start in range(0, len(clips), at_once):
            block = [_near_and_windows(clip, self._context) for clip in clips[start : start + at_once]]
            near, far = (np.concatenate(part) for part in zip(*block, strict=True))
            yield near, far


@dataclass(frozen=True)
class _Prediction(Learned):
    """Near levels (D,) from windows of far ones: the means of both, and weights (far, D)."""

    near: Annotated[Floats, "D"]
    far: Annotated[Floats, "far"]
    weights: Annotated[Floats, "far D"]
    context: int

    def residual(self, clip: Floats32) -> Floats:
        """(time, band, dim) -> near levels less the predicted ones, mean over time (D,).

        The prediction is linear: that of the mean window is the mean of the predictions.
        """
        near, far = (rows.mean(axis=0) for rows in _near_and_windows(clip, self.context))
        # einsum, not a matrix product: that one rounds differently with the number of threads.
        residual: Floats = near - self.near - np.einsum("w,wd->d", far - self.far, self.weights)
        return residual

    def to_onnx(self, near: OnnxValue, far: OnnxValue, time: int) -> OnnxValue:
        """Write :meth:`residual` of the levels of both channels (time, D): (1, D)."""
        count = time - 2 * self.context
        shifted = [far.take(np.arange(count) + k).mean(0, keepdims=True) for k in range(2 * self.context + 1)]
        window = shifted[0].op("Concat", *shifted[1:], axis=1) if self.context else shifted[0]
        mean_near = near.take(np.arange(count) + self.context).mean(0, keepdims=True)
        return mean_near - self.near - (window - self.far) @ self.weights


@dataclass(frozen=True)
class _Relation(Learned):
    """What was learned of train normals: a Gaussian of residuals, and a mixture of standardized relations."""

    prediction: Annotated[_Prediction, LEARNED]
    residuals: Annotated[Gaussian, LEARNED]
    centre: Annotated[Floats, "width"]
    scale: Annotated[Floats, "width"]
    mixture: Annotated[Mixture, LEARNED]
    bands: int

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> d(r)^2 / 2 - log p(q) (n,)."""
        scores = np.empty(len(clips))
        for i, clip in enumerate(clips):
            distance = self.residuals.distances(self.prediction.residual(clip)[None])[0, 0]
            relation = (_relation(clip, self.bands) - self.centre) / self.scale
            scores[i] = 0.5 * distance + self.mixture.scores(relation[None])[0]
        return scores

    def to_onnx(self, clip: OnnxValue, shape: tuple[int, ...]) -> OnnxValue:
        """Write :meth:`scores` of one clip of a shape (time, band, dim): (1,)."""
        time, band, third = shape[0], shape[1], shape[2] // 3
        near, far, coherence = (clip.take(np.arange(third) + part * third, axis=2) for part in range(3))
        levels = [channel.reshape(time, band * third) for channel in (near, far)]
        residual = self.prediction.to_onnx(levels[0], levels[1], time)
        groups = np.array_split(np.eye(band), min(self.bands, band))
        averages = np.stack([group.mean(axis=0) for group in groups])
        described = [part.graph.constant(averages) @ part.mean(0) for part in (near - far, coherence)]
        relation = (described[0].op("Concat", described[1], axis=0).reshape(1, -1) - self.centre) / self.scale
        return 0.5 * self.residuals.distance_to_onnx(residual, 0) + self.mixture.to_onnx(relation)


def _near_and_windows(clip: Floats32, context: int) -> tuple[Floats, Floats]:
    """(time, band, dim) -> near levels (frames, D) and far levels of each frame and those around it (frames, W)."""
    third, count = clip.shape[2] // 3, len(clip) - 2 * context
    near = clip[context : context + count, :, :third].reshape(count, -1)
    return near.astype(np.float64), windows(clip[..., third : 2 * third], 2 * context + 1)


def _relation(clip: Floats32, bands: int) -> Floats:
    """(time, band, dim) -> level differences, then coherences, of groups of bands: means over time and band."""
    third = clip.shape[2] // 3
    near, far, coherence = (clip[..., part * third : (part + 1) * third].astype(np.float64) for part in range(3))
    means = np.stack([(near - far).mean(axis=0), coherence.mean(axis=0)])
    groups = np.array_split(means, min(bands, means.shape[1]), axis=1)
    return np.stack([group.mean(axis=1) for group in groups], axis=1).ravel()
