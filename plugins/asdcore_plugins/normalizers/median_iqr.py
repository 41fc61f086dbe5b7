"""Median and interquartile range of train normals: z = (s - median) / (IQR + eps).

Eq. (2) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection", with
linear quantiles and eps = 1e-6 of the scaled median absolute deviation. The IQR of 10 Gaussian values has a relative
standard deviation of 36 % and is 13 % too small on average: hence the shrinkage.

Parameters: ``scope`` (domain_min; also pooled, source, target, domain_soft), ``shrinkage`` in clips (10), by which the
target is drawn toward the source, and ``temperature`` in units of z (1), of domain_soft alone: ``stats/scoped.py`` and
``stats/location_scale.py`` say what they mean. Cost: one sort of the train normals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.normalizers.bases.location_scale import LocationScale
from asdcore_plugins.stats.distributions.spread import median_iqr, small_sample_iqr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class MedianIQR(LocationScale):
    """Robust z-score on train normals; ``shrinkage`` counts as that many source clips in the target's statistics."""

    name = "median_iqr"

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage, temperature)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return median_iqr(scores, which)

    def _bias(self, n: int) -> float:
        return small_sample_iqr(n)


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``median_iqr``."""
    register("median_iqr", MedianIQR)
