"""A mixture of Gaussians with diagonal covariances.

-log p(x) = -log sum_k w_k N(x; m_k, diag(v_k)), in nats, fitted by expectation-maximization (Dempster, Laird and Rubin,
J. Royal Statistical Society B 39, 1977) as scikit-learn has it, from a k-means start.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from asdcore import DataError, OnnxValue
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import Learned
from asdcore_plugins.stats.onnx_formulas import log_sum_exp

ROUNDS = 200
"""The most rounds of expectation-maximization; it stops when the mean log-likelihood grows by less than 0.001."""


@dataclass(frozen=True)
class Mixture(Learned):
    """A mixture of Gaussians: weights (K,), means (K, D) and variances (K, D)."""

    weights: Annotated[Floats, "K"]
    means: Annotated[Floats, "K width"]
    variances: Annotated[Floats, "K width"]

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> -log p (n,)."""
        volume = np.log(2.0 * np.pi * self.variances).sum(axis=1)
        scores = np.empty(len(clips))
        # One clip at a time: the rounding of a clip must not depend on how many there are.
        for i, clip in enumerate(clips):
            distance = (np.square(clip - self.means) / self.variances).sum(axis=1)
            scores[i] = -np.logaddexp.reduce(np.log(self.weights) - 0.5 * (volume + distance))
        return scores

    def to_onnx(self, features: OnnxValue) -> OnnxValue:
        """Write :meth:`scores`: (1, D) -> (1,)."""
        apart = features.reshape(1, -1) - self.means
        distance = (apart * apart / self.variances).sum(1)
        volume = np.log(2.0 * np.pi * self.variances).sum(axis=1)
        return -log_sum_exp(np.log(self.weights) - 0.5 * volume - 0.5 * distance)


def fit_mixture(clips: Floats, components: int, seed: int, floor: float) -> Mixture:
    """Fit a mixture to clips.

    Parameters
    ----------
    clips
        (n, D) clips.
    components
        Gaussians in the mixture.
    seed
        Seed of the k-means start.
    floor
        Added to every variance, as a share of the mean variance.

    Returns
    -------
    Mixture
        The fitted mixture.

    Raises
    ------
    DataError
        If fewer clips differ than there are components.
    """
    different = len({clip.tobytes() for clip in clips})
    if different < components:
        raise DataError(
            f"{len(clips)} train normals of which only {different} differ cannot fill {components} components. Look "
            f"for repeated clips, or set components to {different} at most."
        )
    # Centred first: variances are computed as differences of squares, which a large mean would swallow.
    mean = clips.mean(axis=0)
    mixture = GaussianMixture(
        components,
        covariance_type="diag",
        reg_covar=floor * float(clips.var(axis=0).mean()),
        max_iter=ROUNDS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # After the last round the mixture is as good as that many rounds make it, and the same every time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(clips - mean)
    return Mixture(mixture.weights_, mixture.means_ + mean, mixture.covariances_)
