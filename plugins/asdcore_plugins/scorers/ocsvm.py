"""Distance beyond the boundary of a one-class support vector machine with a Gaussian kernel.

The machine of Schölkopf et al. (2001), "Estimating the support of a high-dimensional distribution", Neural Computation
13, finds f(x) = sum_i a_i exp(-g |x - x_i|^2) - rho, at most a share nu of the train normals with f < 0. Its sum
vanishes for clips far away, which would all tie at -f = rho; so the score is

    score(x) = log rho - log sum_i a_i exp(-g |x - x_i|^2),

which orders clips as -f does. It is 0 on the boundary, positive outside, and grows without bound. g is one over the sum
of the variances of all features: 1 / (D var) with the variance of a feature about its own mean.

Fitting takes n^2 D operations by libsvm as scikit-learn has it, and up to 200 MB of kernel values; a score takes one
distance to each of at least nu n support vectors. Train normals are scored in folds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from sklearn import svm

from asdcore import OnnxValue
from asdcore_plugins.scorers.bases.written_per_reference import WrittenPerReference
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.onnx_formulas import log_sum_exp
from asdcore_plugins.stats.parameters import between


class OneClassSVM(WrittenPerReference):
    """One machine for each reference; scores are 0 on the boundary.

    A reference of fewer than 2 train clips is left out.

    Parameters
    ----------
    nu
        Share of train normals that may lie outside, above 0 and below 1.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``nu`` is not between 0 and 1, or a reference is unknown.

    References
    ----------
    B. Schölkopf et al., "Estimating the support of a high-dimensional distribution", Neural Computation 13, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    >>> scorer = OneClassSVM(nu=0.1).fit(train, np.full(100, "source"))
    >>> inside, outside = scorer.score(np.array([[0.0] * 4, [5.0] * 4], np.float32))["pooled"]
    >>> bool(inside < 0 < outside)
    True
    """

    name = "ocsvm"

    _models: Annotated[Mapping[str, _Boundary], LEARNED]

    def __init__(self, nu: float = 0.05, references: Sequence[str] = ("pooled",)) -> None:
        super().__init__(references)
        self._nu = between("nu", nu, 0, 1)

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip, at most: its distances to all train normals."""
        return len(self._references) * n_train * dim

    def _estimate(self, clips: Floats) -> _Boundary:
        gamma = 1.0 / float(clips.var(axis=0).sum())
        # Centred first: libsvm takes a distance from the squared lengths, which a large mean would swallow.
        machine = svm.OneClassSVM(kernel="rbf", gamma=gamma, nu=self._nu).fit(clips - clips.mean(axis=0))
        weights = np.log(machine.dual_coef_[0])
        return _Boundary(clips[machine.support_], weights, gamma, math.log(-float(machine.intercept_[0])))


@dataclass(frozen=True)
class _Boundary(Learned):
    """support (m, D) and the logarithms of their weights (m,); gamma of the kernel, log_rho of the boundary."""

    support: Annotated[Floats, "M D"]
    weights: Annotated[Floats, "M"]
    gamma: Number
    log_rho: Number

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> (n,), 0 on the boundary."""
        scores = np.empty(len(clips))
        # One clip at a time: the rounding of a clip must not depend on how many there are.
        for i, clip in enumerate(clips):
            distance = np.square(self.support - clip).sum(axis=1)
            scores[i] = self.log_rho - np.logaddexp.reduce(self.weights - self.gamma * distance)
        return scores

    def to_onnx(self, features: OnnxValue) -> OnnxValue:
        """Write :meth:`scores`: (1, D) -> (1,)."""
        apart = self.support - features.reshape(1, -1)
        return self.log_rho - log_sum_exp(self.weights - self.gamma * (apart * apart).sum(1))
