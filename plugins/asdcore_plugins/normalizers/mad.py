"""Median and median absolute deviation of train normals: z = (s - median) / (1.4826 MAD).

The most robust of the scales: half of the train normals may lie anywhere. 1.4826 makes it the standard deviation of
Gaussian values; for few values it is too small by c(n), the factors of Croux and Rousseeuw (Time-efficient algorithms
for two highly robust estimators of scale, COMPSTAT 1992), (n - 0.8) / n from 10 values on.

Parameters: ``scope`` (domain_min; also pooled, source, target, domain_soft), ``shrinkage`` in clips (10), by which the
target is drawn toward the source, and ``temperature`` in units of z (1), of domain_soft alone: ``stats/scoped.py`` and
``stats/location_scale.py`` say what they mean. Cost: two selections among the train normals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.distributions.spread import no_spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GAUSSIAN_MAD = 1.4826
FEW = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
"""By what the MAD of so many Gaussian values is to be multiplied."""

FLOOR = 1e-12


class Mad(LocationScale):
    """Median and MAD of train normals; ``shrinkage`` counts as that many source clips in the target's statistics."""

    name = "mad"

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage, temperature)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        import numpy as np

        median = float(np.median(scores))
        deviation = float(np.median(np.abs(scores - median)))
        if not deviation > FLOOR * float(np.abs(scores).max()):
            raise DataError(no_spread("median absolute deviation", len(scores), which))
        return median, GAUSSIAN_MAD * deviation

    def _bias(self, n: int) -> float:
        return 1.0 / FEW[n] if n in FEW else (n - 0.8) / n


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``mad``."""
    register("mad", Mad)
