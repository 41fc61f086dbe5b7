"""Negative log-likelihood under a Gaussian mixture with diagonal covariances.

score(x) = -log sum_k w_k N(x; m_k, diag(v_k)), in nats: the mixture that Guan et al. (ICASSP 2023), "Time-weighted
frequency domain audio representation with GMM estimator for anomalous sound detection", score machine sounds with.
Fitted by expectation-maximization (Dempster, Laird and Rubin, J. Royal Statistical Society B 39, 1977) as scikit-learn
has it, from a k-means start. A millionth of the mean variance is added to every variance. So a feature that is constant
among the train normals makes any other value very unlikely, but not infinitely.

Fitting takes n K D operations a round, at most 200 rounds; a score takes 2 K D. Memory: n D. Train normals are scored
in folds: a mixture without one clip has no closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from asdcore_plugins.scorers.bases.written_per_reference import WrittenPerReference
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.gaussians.mixture import Mixture, fit_mixture
from asdcore_plugins.stats.learned import LEARNED
from asdcore_plugins.stats.parameters import whole

FLOOR = 1e-6
"""What is added to every variance, as a share of the mean variance of the features."""


class GMM(WrittenPerReference):
    """A mixture for each reference; scores are in nats.

    A reference of fewer than 2 train clips for each component is left out.

    Parameters
    ----------
    components
        Gaussians in the mixture.
    seed
        Seed of the k-means start.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``components`` is not a positive whole number, or a reference is unknown.

    References
    ----------
    J. Guan et al., "Time-weighted frequency domain audio representation with GMM estimator for anomalous sound
    detection", ICASSP 2023.

    Examples
    --------
    One component of variance 4 in one dimension:

    >>> import numpy as np
    >>> train = np.array([[-2.0], [2.0]], np.float32)
    >>> scorer = GMM(components=1).fit(train, np.full(2, "source"))
    >>> scorer.score(np.array([[0.0], [4.0]], np.float32))["pooled"].round(3).tolist()
    [1.612, 3.612]
    """

    name = "gmm"

    _shape: Annotated[tuple[int, ...], "width"]
    _models: Annotated[Mapping[str, Mixture], LEARNED]

    def __init__(self, components: int = 2, seed: int = 0, references: Sequence[str] = ("pooled",)) -> None:
        super().__init__(references)
        self._components, self._seed = whole("components", components), whole("seed", seed, least=0)
        self.fewest = 2 * self._components

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: a square and a weight for each mean of each feature."""
        return len(self._references) * 2 * self._components * dim

    def _estimate(self, clips: Floats) -> Mixture:
        return fit_mixture(clips, self._components, self._seed, FLOOR)
