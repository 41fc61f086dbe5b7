"""Negative log-likelihood under a Gaussian mixture with diagonal covariances.

score(x) = -log sum_k w_k N(x; m_k, diag(v_k)), in nats: the mixture that Guan et al. (ICASSP 2023), "Time-weighted
frequency domain audio representation with GMM estimator for anomalous sound detection", score machine sounds with.
Fitted by expectation-maximization (Dempster, Laird and Rubin, J. Royal Statistical Society B 39, 1977) as scikit-learn
has it, from a k-means start. A millionth of the mean variance is added to every variance, so a feature that is constant
among the train normals says no, loudly but finitely, to any other value.

Fitting takes n K D operations a round, at most 200 rounds; a score takes 2 K D. Memory: n D. Train normals are scored
in folds: a mixture without one clip has no closed form.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.parameters import whole
from asdcore_plugins.stats.per_reference import PerReference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FLOOR = 1e-6
"""What is added to every variance, as a share of the mean variance of the features."""

ROUNDS = 200
"""Rounds of expectation-maximization, unless the mean log-likelihood of a clip grows by less than 0.001 before."""


class GMM(PerReference):
    """A mixture for each reference; a reference of fewer than 2 train clips a component is left out.

    components : Gaussians in the mixture (2). seed : of the k-means start (0). references : (pooled).
    """

    name = "gmm"

    def __init__(self, components: int = 2, seed: int = 0, references: Sequence[str] = ("pooled",)) -> None:
        super().__init__(references)
        self._components, self._seed = whole("components", components), whole("seed", seed, least=0)
        self.fewest = 2 * self._components

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: a square and a weight for each mean of each feature."""
        return len(self._references) * 2 * self._components * dim

    def _estimate(self, clips: Floats) -> _Mixture:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        different = len({clip.tobytes() for clip in clips})
        if different < self._components:
            raise DataError(
                f"{len(clips)} train normals of which only {different} differ cannot fill {self._components} "
                f"components. Look for repeated clips, or set components to {different} at most."
            )
        # Centred first: variances are computed as differences of squares, which a large mean would swallow.
        mean = clips.mean(axis=0)
        floor = FLOOR * float(clips.var(axis=0).mean())
        mixture = GaussianMixture(
            self._components, covariance_type="diag", reg_covar=floor, max_iter=ROUNDS, random_state=self._seed
        )
        with warnings.catch_warnings():
            # After the last round the mixture is as good as that many rounds make it, and the same every time.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(clips - mean)
        return _Mixture(mixture.weights_, mixture.means_ + mean, mixture.covariances_)


@dataclass(frozen=True)
class _Mixture:
    """weights (K,), means (K, D), variances (K, D)."""

    weights: Floats
    means: Floats
    variances: Floats

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> -log p (n,)."""
        import numpy as np

        volume = np.log(2.0 * np.pi * self.variances).sum(axis=1)
        scores = np.empty(len(clips))
        # One clip at a time: the rounding of a clip must not depend on how many there are.
        for i, clip in enumerate(clips):
            distance = (np.square(clip - self.means) / self.variances).sum(axis=1)
            scores[i] = -np.logaddexp.reduce(np.log(self.weights) - 0.5 * (volume + distance))
        return scores


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``gmm``."""
    register("gmm", GMM)
