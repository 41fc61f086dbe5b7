"""The normalizer ``median_iqr``: a robust z-score."""

from __future__ import annotations

from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import median_iqr, small_sample_iqr


class MedianIQR(LocationScale):
    """Median and interquartile range of train normals: z = (s - median) / (IQR + eps).

    Quantiles are linear, and eps is 1e-6 of the scaled median absolute deviation. The IQR of 10 Gaussian values has a
    relative standard deviation of 36 % and is 13 % too small on average: hence the shrinkage.

    Parameters: those of :class:`~asdcore_plugins.normalizers.bases.location_scale.LocationScale`.

    Notes
    -----
    Cost: one sort of the train normals.

    References
    ----------
    Eq. (2) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection".

    Examples
    --------
    The target scores higher. A clip counts as one of the domain in which it looks more normal:

    >>> import asdcore, numpy as np
    >>> source, target = np.arange(1.0, 22.0), np.arange(101.0, 122.0)
    >>> normals, domain = {"pooled": np.append(source, target)}, np.repeat(["source", "target"], 21)
    >>> by_domain = asdcore.load_normalizer("median_iqr", shrinkage=0).fit(normals, domain)
    >>> by_domain.transform({"pooled": np.array([111.0, 121.0])}).round(2)
    array([0.  , 0.93])
    """

    name = "median_iqr"

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return median_iqr(scores, which)

    def _bias(self, n: int) -> float:
        return small_sample_iqr(n)
