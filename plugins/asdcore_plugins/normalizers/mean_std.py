"""Mean and standard deviation of train normals: z = (s - mean) / deviation.

The classical z-score, the deviation with n - 1; one outlier among the train normals moves both. Under shrinkage c(n) is
c4(n) = sqrt(2 / (n - 1)) Gamma(n / 2) / Gamma((n - 1) / 2).

Parameters: ``scope`` (domain_min; also pooled, source, target, domain_soft), ``shrinkage`` in clips (10), by which the
target is drawn toward the source, and ``temperature`` in units of z (1), of domain_soft alone: ``stats/scoped.py`` and
``stats/location_scale.py`` say what they mean. Cost: linear in the train normals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.distributions.spread import c4, mean_deviation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class MeanStd(LocationScale):
    """z-score on train normals; ``shrinkage`` counts as that many source clips in the target's statistics."""

    name = "mean_std"

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage, temperature)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return mean_deviation(scores, which)

    def _bias(self, n: int) -> float:
        return c4(n)


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``mean_std``."""
    register("mean_std", MeanStd)
