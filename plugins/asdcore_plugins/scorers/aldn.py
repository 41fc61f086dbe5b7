"""Adaptive local density normalisation: how many neighbours make a density, and how much it counts, are learnt.

A(x) = min_y d(x, y) / rho(y)^eta. rho(y) is the mean distance of a train normal to the nearest others of its own
cluster, found as in ``ced``; eta is the slope of log u on log v over the train normals z, clipped to [0, 1]: u is the
distance of z to its nearest other, v that one's rho. eta = 0 is the nearest neighbour, eta = 1 the ratio of ``ldn``.
An adaptive local-density variant is reported for DCASE 2026 ("Robust train-normal calibration") without a formula; this
one, which joins ``ced`` and ``varmin`` in the logarithm, is ours.

Of repeated clips of a domain one stands for all; u and rho have 1e-6 times the median positive rho added. Leave-one-out
is exact: neighbours, clusters and eta are those of the other clips. Time and memory: a distance matrix of n_train^2,
then n_train + k^2 a clip left out, n_train a clip scored. A bank of more than 5,000 clips is searched instead, with the
same bits and n_train * k memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.cluster_density import ClusterScorer
from asdcore_plugins.scorers.bases.local_density import floor
from asdcore_plugins.stats.masked import slopes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.neighbours.exact import Banks
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


class ALDN(ClusterScorer):
    """Distance over a learnt power of the mean distance within the train normal's cluster.

    k : the most neighbours a cluster can be looked for among, at least 3.
    quantile : the share of ratios that are small enough to end a cluster, 0 to 1.
    """

    name = "aldn"

    def _terms(self, rho: Floats, known: Flags, banks: Banks | BanksWithout) -> tuple[Floats, float]:
        import numpy as np

        added = floor(rho, known, self.name)
        density = np.log(rho + added)
        nearest = np.take_along_axis(density, banks.nearest(), axis=1)
        eta = slopes(np.log(banks.nearest_distances() + added), nearest, known)
        return np.exp(np.clip(eta, 0.0, 1.0) * density), 0.0


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``aldn``."""
    register("aldn", ALDN)
