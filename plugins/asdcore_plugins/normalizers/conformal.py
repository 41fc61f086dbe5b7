"""The normalizer ``conformal``: p-values that keep what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from asdcore import DataError, OnnxValue
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution, Mixture
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.onnx_formulas import written


@dataclass(frozen=True)
class PValues(Learned):
    """1 - p as a distribution function: p at the sorted train normals, the smallest p, and the scale of its fall."""

    values: Annotated[Floats, "n"]
    p: Annotated[Floats, "n"]
    least: Number
    scale: Number

    @classmethod
    def of(cls, normals: Floats) -> PValues:
        """Return those of train normals (n,); raise DataError if all are the same."""
        values, counts = np.unique(normals, return_counts=True)
        if len(values) < 2:
            raise DataError(f"conformal needs at least 2 different train-normal scores, found {len(values)}")
        n = len(normals)
        reached = np.cumsum(counts[::-1])[::-1]
        spread = float(values[-1] - values[0])
        distance = float(values[-1] - np.median(normals))
        # With half of the sample at the top its distance to the median is nothing; the spread then sets the scale.
        scale = distance if distance > 1e-9 * spread else spread
        p = np.asarray((1.0 + reached) / (n + 1.0), np.float64)
        return cls(values, p, 1.0 / (n + 1.0), scale)

    def below(self, scores: Floats) -> Floats:
        """Return 1 - p (n_clips,)."""
        return 1.0 - self._above(scores)

    def log_above(self, scores: Floats) -> Floats:
        """Return log p (n_clips,)."""
        p: Floats = np.log(self._above(scores))
        return p

    def _above(self, scores: Floats) -> Floats:
        inside = np.interp(scores, self.values, self.p)
        over = np.maximum(scores - self.values[-1], 0.0)
        far = self.least + (self.p[-1] - self.least) * (self.scale / (over + self.scale))
        p: Floats = np.where(over > 0, far, inside)
        return p


@dataclass(frozen=True)
class PMixture(Mixture):
    """The p-values by one or two samples of train normals."""

    first: Annotated[PValues, LEARNED]
    second: Annotated[PValues | None, LEARNED] = None


class Conformal(ByDistribution):
    """Interpolated conformal p-values of a score: z = -log p, or 1 - p.

    The conformal p-value of a score s beside n exchangeable normal ones u is (1 + #{u >= s}) / (n + 1): a normal clip
    has p <= a with a probability of at most a. That is a staircase, so clips tie. Here p is linear between its values
    at the train normals. Above the highest, m, it falls from its value there to 1 / (n + 1), which it never reaches::

        p(s) = 1 / (n + 1) + (p(m) - 1 / (n + 1)) h / (s - m + h)        s > m, h = m - median

    Nowhere is that below the staircase, so the guarantee stays, and no two clips above the lowest train normal tie.
    Below that p = 1. No p is smaller than 1 / (n + 1): ten target clips never say less than 0.09. Under "domain_min"
    the larger p of both domains counts, which is valid for a clip of either. A domain needs two clips.

    The guarantee needs clips that are exchangeable one by one. Clips cut from one recording are not: each is scored
    without its recording, so p is near what it says on average, but n clips are worth fewer, and 1 / (n + 1) promises
    too much. A run of such clips notes how many they are worth. A threshold that counts groups is
    ``[decision] rule = "conformal"``.

    Parameters
    ----------
    scope
        As in :class:`~asdcore_plugins.normalizers.bases.domain_scope.ScopedNormalizer`.
    output : str
        "surprise", -log p, or "probability", 1 - p.
    shrinkage : float
        With the weight of how many source clips the target's p is mixed with the source's, 0 or more. Above 0 the
        target's p-values are finer, and no longer guaranteed.

    Notes
    -----
    Cost: one sort of the train normals, and a search among them for each clip.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005.

    Examples
    --------
    Above the highest of 19 train normals p falls from 2 / 20 toward 1 / 20:

    >>> import asdcore, numpy as np
    >>> conformal = asdcore.load_normalizer("conformal", output="probability")
    >>> conformal = conformal.fit({"pooled": np.arange(19.0)}, np.array(["source"] * 19))
    >>> 1 - conformal.transform({"pooled": np.array([18.0, 18.5, 1e9])}).round(2)
    array([0.1 , 0.1 , 0.05])
    """

    name = "conformal"

    _scales: Annotated[Mapping[str, PMixture], LEARNED]
    outputs = ("surprise", "probability")

    def __init__(self, scope: str = "pooled", output: str = "surprise", shrinkage: float = 0.0) -> None:
        super().__init__(scope, output, shrinkage)

    def to_onnx(self, scores: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the normalizer: {reference: score (1,)} -> z (1,)."""
        return written(self.transform, scores)

    def _scale(self, scores: Floats, which: str) -> PMixture:
        return PMixture(PValues.of(scores))

    def _target_scale(self, target: Floats, source: Floats) -> PMixture:
        share = self._drawn(len(target))
        return PMixture(PValues.of(target), PValues.of(source) if share else None, share)
