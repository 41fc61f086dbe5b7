"""Adaptive local density normalisation: how many neighbours make a density, and how much it counts, are learnt.

A(x) = min_y d(x, y) / rho(y)^eta. rho(y) is the mean distance of a train normal to the nearest others of its own
cluster, found as in ``ced``; eta is the slope of log u on log v over the train normals z, clipped to [0, 1]: u is the
distance of z to its nearest other, v that one's rho. eta = 0 is the nearest neighbour, eta = 1 the ratio of ``ldn``.
An adaptive local-density variant is reported for DCASE 2026 ("Robust train-normal calibration") without a formula; this
one, which joins ``ced`` and ``varmin`` in the logarithm, is ours.

u and rho have 1e-6 times the median positive rho added, for repeated clips. Leave-one-out is exact: neighbours,
clusters and eta are those of the other clips. Time and memory: a distance matrix of n_train^2, then n_train * k a clip
left out, n_train a clip scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import asdcore_plugins.stats.density as density
from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, fraction, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class ALDN(density.LocalDensity):
    """Distance over a learnt power of the mean distance within the train normal's cluster.

    k : the most neighbours a cluster can be looked for among, at least 3.
    quantile : the share of ratios that are small enough to end a cluster, 0 to 1.
    """

    def __init__(
        self,
        k: int = 64,
        quantile: float = 0.04,
        among: str = "pooled",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._quantile = fraction("quantile", quantile)
        super().__init__("aldn", whole("k", k, least=3), among, metric, references)

    def _terms(self, index: Indices, distance: Floats, known: Indices) -> tuple[Floats, float]:
        import numpy as np

        bare = density.within(distance, density.cluster_exit(distance, known, self._quantile))
        rho = density.floored(bare, known, "aldn")
        nearest = distance[known, 0] + (rho - bare)[known]
        eta = density.slope(np.log(nearest), np.log(rho[index[known, 0]]))
        return rho ** min(max(eta, 0.0), 1.0), 0.0


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``aldn``."""
    register("aldn", ALDN)
