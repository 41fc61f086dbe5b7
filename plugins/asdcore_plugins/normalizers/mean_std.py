"""The normalizer ``mean_std``: the classical z-score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.distributions.spread import c4, mean_deviation

Floats = NDArray[np.float64]


class MeanStd(LocationScale):
    """Mean and standard deviation of train normals: z = (s - mean) / deviation.

    The deviation is that with n - 1. One outlier among the train normals moves both. Under shrinkage c(n) is
    c4(n) = sqrt(2 / (n - 1)) Gamma(n / 2) / Gamma((n - 1) / 2).

    Parameters
    ----------
    scope : str
        Which train normals count: "pooled", "source", "target", "domain_min", "domain_soft"; see
        :mod:`asdcore_plugins.normalizers.bases.domain_scope`.
    shrinkage : float
        With the weight of how many source clips the target is drawn toward the source, 0 or more.
    temperature : float
        Softness of the minimum under "domain_soft", in units of z, above 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Cost: linear in the train normals.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> normals = {"pooled": np.arange(1.0, 22.0)}
    >>> domain = np.array(["source"] * 21)
    >>> normalizer = asdcore.load_normalizer("mean_std").fit(normals, domain)
    >>> normalizer.transform({"pooled": np.array([11.0, 21.0])}).round(2)
    array([0.  , 1.61])
    """

    name = "mean_std"

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage, temperature)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return mean_deviation(scores, which)

    def _bias(self, n: int) -> float:
        return c4(n)
