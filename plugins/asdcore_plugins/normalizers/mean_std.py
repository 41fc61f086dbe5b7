"""The normalizer ``mean_std``: the classical z-score."""

from __future__ import annotations

from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import c4, mean_deviation


class MeanStd(LocationScale):
    """Mean and standard deviation of train normals: z = (s - mean) / deviation.

    The deviation is that with n - 1. One outlier among the train normals moves both. Under shrinkage c(n) is
    c4(n) = sqrt(2 / (n - 1)) Gamma(n / 2) / Gamma((n - 1) / 2).

    Parameters: those of :class:`~asdcore_plugins.normalizers.bases.location_scale.LocationScale`.

    Notes
    -----
    Cost: linear in the train normals.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> normals = {"pooled": np.array([1.0, 2.0, 3.0])}
    >>> mean_std = asdcore.load_normalizer("mean_std").fit(normals, np.array(["source"] * 3))
    >>> mean_std.transform({"pooled": np.array([2.0, 4.0])})
    array([0., 2.])
    """

    name = "mean_std"

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return mean_deviation(scores, which)

    def _bias(self, n: int) -> float:
        return c4(n)
