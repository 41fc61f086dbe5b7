"""The normalizer ``ecdf``: the train-normal CDF, without ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore import SmoothEcdf
from asdcore_plugins.fitted.kinds import Fields
from asdcore_plugins.fitted.learned import attributes
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution, Distribution, alone_or_mixed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Smooth:
    """The smooth empirical distribution function."""

    ecdf: SmoothEcdf

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        return self.ecdf.cdf(scores)

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        above: Floats = np.log(self.ecdf.survival(scores))
        return above


class Ecdf(ByDistribution):
    """The smooth train-normal CDF of a score: which part of the normals lies below a clip.

    The CDF is piecewise linear through the sorted out-of-fold scores at i / (n + 1), with hyperbolic tails
    (:class:`asdcore.SmoothEcdf`). So two clips beyond every normal still get different values. A domain needs two
    clips. Under shrinkage the target's CDF is mixed with the source's: alone, a CDF of ten target clips says nothing
    finer than steps of 1 / 11.

    Parameters
    ----------
    scope, output, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.by_distribution.ByDistribution`.

    Notes
    -----
    Cost: one sort of the train normals, and a search among them for each clip.

    Examples
    --------
    Four fifths of the way up the sorted train normals, and far beyond them:

    >>> import asdcore, numpy as np
    >>> ecdf = asdcore.load_normalizer("ecdf").fit({"pooled": np.arange(1.0, 5.0)}, np.array(["source"] * 4))
    >>> [round(z, 2) for z in ecdf.transform({"pooled": np.array([4.0, 1e6])}).tolist()]
    [0.8, 1.0]
    """

    name = "ecdf"
    learned = attributes(_scales=alone_or_mixed(Fields(Smooth, ecdf=SmoothEcdf)))

    def __init__(self, scope: str = "pooled", output: str = "probability", shrinkage: float = 10.0) -> None:
        super().__init__(scope, output, shrinkage)

    def _scale(self, scores: Floats, which: str) -> Distribution:
        return Smooth(SmoothEcdf(scores))

    def _target_scale(self, target: Floats, source: Floats) -> Distribution:
        return self._mixed(Smooth(SmoothEcdf(target)), Smooth(SmoothEcdf(source)), len(target))
