"""Local density normalisation over the neighbours that lie in a train normal's own cluster.

A(x) = min_y d(x, y) / rho(y), rho(y) being the mean distance of a train normal to its nearest others up to where its
cluster ends. It ends at the first neighbour whose distance is much smaller than the next one's: with the ratios
r_k = d_k / d_(k+1) averaged in pairs, the first below their ``quantile`` over the whole bank; without one, two before
the last of ``k``. At least two neighbours count. After Cluster-Exit Detection (Interspeech 2026); that the quantile is
taken over all train normals together is our reading.

Of repeated clips of a domain one stands for all; divided is by rho + 1e-6 times the median positive rho. Leave-one-out
is exact: the clip is missed by its neighbours' clusters and by the quantile too. Time and memory: a distance matrix of
n_train^2, then n_train + k^2 a clip left out, n_train a clip scored. A bank of more than 5,000 clips is searched
instead, with the same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.cluster_density import ClusterScorer
from asdcore_plugins.scorers.bases.local_density import floor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.neighbours.exact import Banks
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


class CED(ClusterScorer):
    """Distance over the mean distance within the train normal's cluster; without unit.

    k : the most neighbours a cluster can be looked for among, at least 3.
    quantile : the share of ratios that are small enough to end a cluster, 0 to 1.
    """

    name = "ced"

    def _terms(self, rho: Floats, known: Flags, banks: Banks | BanksWithout) -> tuple[Floats, float]:
        return rho + floor(rho, known, self.name), 0.0


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``ced``."""
    register("ced", CED)
