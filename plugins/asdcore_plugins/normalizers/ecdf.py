"""The normalizer ``ecdf``: the train-normal CDF, without ties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from asdcore import OnnxValue, SmoothEcdf
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution, Mixture
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import LEARNED, Learned
from asdcore_plugins.stats.onnx_formulas import written


@dataclass(frozen=True)
class Smooth(Learned):
    """The smooth empirical distribution function."""

    ecdf: Annotated[SmoothEcdf, LEARNED]

    def below(self, scores: Floats) -> Floats:
        """Return F (n_clips,)."""
        return self.ecdf.cdf(scores)

    def log_above(self, scores: Floats) -> Floats:
        """Return log(1 - F) (n_clips,)."""
        above: Floats = np.log(self.ecdf.survival(scores))
        return above


@dataclass(frozen=True)
class SmoothMixture(Mixture):
    """One or two of them."""

    first: Annotated[Smooth, LEARNED]
    second: Annotated[Smooth | None, LEARNED] = None


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

    _scales: Annotated[Mapping[str, SmoothMixture], LEARNED]

    def __init__(self, scope: str = "pooled", output: str = "probability", shrinkage: float = 10.0) -> None:
        super().__init__(scope, output, shrinkage)

    def to_onnx(self, scores: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the normalizer: {reference: score (1,)} -> z (1,)."""
        return written(self.transform, scores)

    def _scale(self, scores: Floats, which: str) -> SmoothMixture:
        return SmoothMixture(Smooth(SmoothEcdf(scores)))

    def _target_scale(self, target: Floats, source: Floats) -> SmoothMixture:
        share = self._drawn(len(target))
        return SmoothMixture(Smooth(SmoothEcdf(target)), Smooth(SmoothEcdf(source)) if share else None, share)
