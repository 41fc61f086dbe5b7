"""Local density normalization over the neighbours that lie in a train normal's own cluster.

A(x) = min_y d(x, y) / rho(y). rho(y) is the mean distance of a train normal to its nearest others up to the end of its
cluster. The cluster ends at the first neighbour whose distance is much smaller than the next one's: of the ratios
r_k = d_k / d_(k+1) of a train normal, averaged in pairs, at the first below the ``quantile`` of all. If none is, the
cluster ends two before the last of ``k``, or of half of the others in a small bank. At least two neighbours count.
After Cluster-Exit Detection (Interspeech 2026); the half of a small bank is ours.

Repeated clips of a domain count once; the divisor is rho plus 1e-6 times the median positive rho. Leave-one-out is
exact: the clip is missing from its neighbours' clusters. Time and memory: a distance matrix
of n_train^2, then n_train + k^2 for a clip left out and n_train for a clip scored. A bank of more than 5,000 clips is
searched instead, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from asdcore_plugins.scorers.bases.cluster_density import ClusterScorer
from asdcore_plugins.scorers.bases.local_density import floor
from asdcore_plugins.stats.arrays import Flags, Floats
from asdcore_plugins.stats.neighbours.exact import Banks
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout


class CED(ClusterScorer):
    """Distance over the mean distance within the train normal's cluster; without unit.

    The encoder ``ced_audio``, CED of another meaning, has nothing to do with it.

    Parameters
    ----------
    k, quantile, among, metric, references
        As in :class:`~asdcore_plugins.scorers.bases.cluster_density.ClusterScorer`.

    Raises
    ------
    ValueError
        If ``k`` is below 3, or ``quantile`` not from 0 to 1.

    References
    ----------
    "Cluster-Exit Detection", Interspeech 2026.

    Examples
    --------
    Only neighbours of the own cluster count: rho is 1.5 for the train clip at 2, and 2.5 for the one at 5.

    >>> import numpy as np
    >>> train = np.concatenate([np.arange(6), 100 + np.arange(14)]).astype(np.float32)[:, None]
    >>> scorer = CED(k=8, quantile=0.3, metric="euclidean").fit(train, np.full(20, "source"))
    >>> scorer.score(np.array([[2.5], [50.0]], np.float32))["pooled"].round(2).tolist()
    [0.33, 18.0]
    """

    name = "ced"

    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[Floats, float]:
        return rho + floor(rho, counted, self.name), 0.0
