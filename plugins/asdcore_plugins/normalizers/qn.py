"""The normalizer ``qn``: a robust z-score that makes the most of few clips."""

from __future__ import annotations

import numpy as np

from asdcore import DataError
from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import FLOOR, no_spread, pair_distance

GAUSSIAN_QN = 2.2219
"""What makes Qn the standard deviation of Gaussian values."""

FEW = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}
"""By what the Qn of so many Gaussian values is to be multiplied."""


class Qn(LocationScale):
    """Median and Qn of train normals: z = (s - median) / (2.2219 q).

    q is the quartile, about, of the distances of all pairs of train normals: with h = n // 2 + 1, the h (h - 1) / 2-th
    smallest of them. Half of the train normals may lie anywhere, as for ``mad``, and yet Qn varies far less: of many
    Gaussian values it uses 82 %, MAD and IQR 37 %. So it suits a domain of few clips. For few values it is too large by
    c(n), which from 10 values on is (n + 1.4) / n if n is odd, (n + 3.8) / n if it is even.

    Parameters: those of :class:`~asdcore_plugins.normalizers.bases.location_scale.LocationScale`.

    Notes
    -----
    Cost: one sort of the train normals, and about 64 searches of each among them.

    References
    ----------
    Rousseeuw and Croux, "Alternatives to the median absolute deviation", Journal of the American Statistical
    Association 88, 1993, eq. 3.1; Croux and Rousseeuw, "Time-efficient algorithms for two highly robust estimators of
    scale", COMPSTAT 1992: c(n).

    Examples
    --------
    Of five values the third smallest distance of two counts, which is 1 here, however wild one of them is:

    >>> import asdcore, numpy as np
    >>> wild = {"pooled": np.array([1.0, 2.0, 3.0, 4.0, 1000.0])}
    >>> qn = asdcore.load_normalizer("qn").fit(wild, np.array(["source"] * 5))
    >>> qn.transform({"pooled": np.array([3.0, 3.0 + 2.2219])}).round(2)
    array([0., 1.])
    """

    name = "qn"

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        half = len(scores) // 2 + 1
        distance = pair_distance(scores, half * (half - 1) // 2) if len(scores) > 1 else 0.0
        if not distance > FLOOR * float(np.abs(scores).max()):
            raise DataError(no_spread("Qn", len(scores), which))
        return float(np.median(scores)), GAUSSIAN_QN * distance

    def _bias(self, n: int) -> float:
        return 1.0 / FEW[n] if n in FEW else (n + (1.4 if n % 2 else 3.8)) / n
