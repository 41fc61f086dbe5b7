"""The part of a clip that principal components of the train normals leave unexplained.

score(x) = |(I - V V') (x - m)|^2, with the mean m and the first K principal components V (D, K) of the train normals:
the squared prediction error, or Q statistic, of process monitoring (Jackson and Mudholkar, Technometrics 21, 1979),
in squared units of the features.

Fitting takes a singular value decomposition, n D min(n, D) operations; a score takes 2 K D. Memory: K D. Train normals
are scored in folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from asdcore import DataError, OnnxValue
from asdcore_plugins.scorers.bases.per_reference import PerReference
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.learned import LEARNED, Learned
from asdcore_plugins.stats.parameters import between, whole


class PCAResidual(PerReference):
    """One subspace for each reference; scores are in squared units of the features.

    A reference of fewer than 3 train clips is left out.

    Parameters
    ----------
    components
        K as a whole number; or a share below 1: as many components as explain that much of the variance. Never more
        than the train normals span.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``components`` is neither a share nor a positive whole number, or a reference is unknown.

    References
    ----------
    J. E. Jackson and G. S. Mudholkar, "Control Procedures for Residuals Associated With Principal Component Analysis",
    Technometrics 21, 1979.

    Examples
    --------
    Train normals on the first axis leave the second one unexplained:

    >>> import numpy as np
    >>> train = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    >>> scorer = PCAResidual(components=1).fit(train, np.full(3, "source"))
    >>> scorer.score(np.array([[9.0, 0.0], [0.0, 2.0]], np.float32))["pooled"].tolist()
    [0.0, 4.0]
    """

    name = "pca_residual"
    fewest = 3

    _models: Annotated[Mapping[str, _Subspace], LEARNED]

    def __init__(self, components: float = 0.95, references: Sequence[str] = ("pooled",)) -> None:
        super().__init__(references)
        share = isinstance(components, float)
        self._components = between("components", components, 0, 1) if share else whole("components", components)

    def feature_shares(self, features: Floats32) -> Mapping[str, Floats]:
        """(n_clips, ...) features -> {reference: squares of the residual of each feature}: they add up to the score."""
        self._check_fitted()
        clips = self._clips(features)
        return {name: np.square(model.residuals(clips)).reshape(features.shape) for name, model in self._models.items()}

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, D) -> {reference: (1,)}."""
        self._check_fitted()
        return {name: model.score_to_onnx(features) for name, model in self._models.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Return the most multiply-accumulates to score one clip: onto the components and back."""
        most = min(n_train - 1, dim)
        count = most if isinstance(self._components, float) else min(self._components, most)
        return len(self._references) * 2 * count * dim

    def _estimate(self, clips: Floats) -> _Subspace:
        mean = clips.mean(axis=0)
        centred = clips - mean
        if len(centred) > centred.shape[1]:  # the triangle has the same components, and no row for every clip
            centred = np.linalg.qr(centred, mode="r")
        _, singular, basis = np.linalg.svd(centred, full_matrices=False)
        spanned = int((singular > singular[0] * max(clips.shape) * np.finfo(np.float64).eps).sum())
        count = self._components
        if isinstance(count, float):
            explained = np.cumsum(np.square(singular)) / np.square(singular).sum()
            count = int(np.searchsorted(explained, count)) + 1
        count = min(count, spanned)
        if count >= clips.shape[1]:
            raise DataError(
                f"{count} principal components leave nothing of {clips.shape[1]} features. "
                f"Set components to a whole number below {clips.shape[1]}."
                if clips.shape[1] > 1
                else "pca_residual needs more than one feature a clip"
            )
        return _Subspace(mean, np.ascontiguousarray(basis[:count]))


@dataclass(frozen=True)
class _Subspace(Learned):
    """The mean (D,) and a basis (K, D) of orthonormal rows."""

    mean: Annotated[Floats, "D"]
    basis: Annotated[Floats, "K D"]

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> squared length outside the subspace (n,)."""
        return np.array([np.square(residual).sum() for residual in self.residuals(clips)])

    def residuals(self, clips: Floats) -> Floats:
        """(n, D) -> what lies outside the subspace (n, D)."""
        residuals = np.empty(clips.shape)
        # One clip at a time. The residual itself, for a difference of squares may be nothing but rounding.
        for i, clip in enumerate(clips):
            centred = clip - self.mean
            inside = np.einsum("kd,d->k", self.basis, centred)
            residuals[i] = centred - np.einsum("kd,k->d", self.basis, inside)
        return residuals

    def score_to_onnx(self, clip: OnnxValue) -> OnnxValue:
        """Write :meth:`scores`: (1, D) -> (1,)."""
        centred = clip - self.mean
        outside = centred - (centred @ self.basis.T) @ self.basis
        return (outside * outside).sum(1)
