"""The normalizer ``mad``: the most robust z-score."""

from __future__ import annotations

import numpy as np

from asdcore import DataError
from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import FLOOR, GAUSSIAN_MAD, no_spread

FEW = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
"""By what the MAD of so many Gaussian values is to be multiplied."""


class Mad(LocationScale):
    """Median and median absolute deviation of train normals: z = (s - median) / (1.4826 MAD).

    Half of the train normals may lie anywhere. The factor 1.4826 makes the MAD the standard deviation of Gaussian
    values. For few values it is too small by c(n), which is (n - 0.8) / n from 10 values on.

    Parameters: those of :class:`~asdcore_plugins.normalizers.bases.location_scale.LocationScale`.

    Notes
    -----
    Cost: two selections among the train normals.

    References
    ----------
    Croux and Rousseeuw, "Time-efficient algorithms for two highly robust estimators of scale", COMPSTAT 1992: c(n).

    Examples
    --------
    One wild train normal does not widen the scale:

    >>> import asdcore, numpy as np
    >>> wild = {"pooled": np.array([1.0, 2.0, 3.0, 4.0, 1000.0])}
    >>> mad = asdcore.load_normalizer("mad").fit(wild, np.array(["source"] * 5))
    >>> mad.transform({"pooled": np.array([3.0, 3.0 + 1.4826])}).round(2)
    array([0., 1.])
    """

    name = "mad"

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        median = float(np.median(scores))
        deviation = float(np.median(np.abs(scores - median)))
        if not deviation > FLOOR * float(np.abs(scores).max()):
            raise DataError(no_spread("median absolute deviation", len(scores), which))
        return median, GAUSSIAN_MAD * deviation

    def _bias(self, n: int) -> float:
        return 1.0 / FEW[n] if n in FEW else (n - 0.8) / n
