"""Adaptive local density normalization: learns how many neighbours make a density, and how much the density counts.

A(x) = min_y d(x, y) / (rho(y) / median rho)^eta. rho(y) is the mean distance of a train normal to the nearest others of
its own cluster, as in ``ced``. eta is the slope of log u on log v over the train normals z, clipped to [0, 1]: u is the
distance of z to its nearest other, v the rho of that one. eta = 0 is the nearest neighbour, eta = 1 the ratio of
``ldn`` up to a factor. The median, taken of log rho, keeps a score at the level of a distance whichever eta a bank has.
Otherwise banks that lack different clips would have scores that cannot be compared, and a small bank a threshold far
too low. An adaptive local-density variant is reported for DCASE 2026 ("Robust train-normal calibration") without a
formula; this one, which joins ``ced`` and ``varmin`` in the logarithm, is ours.

Repeated clips of a domain count once; u and rho have 1e-6 times the median positive rho added. Leave-one-out is exact:
neighbours, clusters and eta are those of the other clips. Time and memory: a distance matrix of n_train^2, then
n_train + k^2 for a clip left out and n_train for a clip scored. A bank of more than 5,000 clips is searched instead,
with the same bits and n_train * k memory.
"""

from __future__ import annotations

from asdcore_plugins.scorers.bases.cluster_density import ClusterScorer
from asdcore_plugins.scorers.bases.least_variance import density_power
from asdcore_plugins.stats.arrays import Flags, Floats
from asdcore_plugins.stats.neighbours.exact import Banks
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout


class ALDN(ClusterScorer):
    """Distance over a learned power of the mean distance within the train normal's cluster.

    Parameters
    ----------
    k, quantile, among, metric, references
        As in :class:`~asdcore_plugins.scorers.bases.cluster_density.ClusterScorer`.

    Raises
    ------
    ValueError
        If ``k`` is below 3, ``quantile`` not from 0 to 1, or another parameter not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(2.0, 1.0, size=(40, 8)).astype(np.float32)
    >>> scorer = ALDN(k=8).fit(train, np.full(40, "source"))
    >>> near, far = scorer.score(np.stack([train.mean(axis=0), -train[0]]))["pooled"]
    >>> bool(near < far)
    True
    """

    name = "aldn"

    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[Floats, float]:
        return density_power(self.name, rho, counted, banks, 0.0, 1.0), 0.0
