"""The smooth train-normal CDF of a score: where among the normals a clip stands.

Piecewise linear through the sorted out-of-fold scores at i / (n + 1), with hyperbolic tails
(:class:`asdcore.SmoothEcdf`), so two clips beyond every normal still get different values.

Parameters: ``scope`` (pooled; also source, target, domain_min), ``output`` (probability; also normal, surprise) and
``shrinkage`` in clips (10), by which the target's CDF is mixed with the source's: alone, a CDF of ten target clips says
nothing finer than steps of 1/11. ``stats/scoped.py`` and ``stats/cdf.py`` say what they mean. A domain needs two clips.
Cost: one sort of the train normals; a search among them a clip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.normalizers.bases.by_distribution import ByDistribution, Smooth, expressed
from asdcore_plugins.normalizers.bases.domain_scope import Curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Ecdf(ByDistribution):
    """Calibrate to the smooth train-normal CDF."""

    name = "ecdf"

    def __init__(self, scope: str = "pooled", output: str = "probability", shrinkage: float = 10.0) -> None:
        super().__init__(scope, output, shrinkage)

    def _curve(self, scores: Floats, which: str) -> Curve:
        return expressed(_smooth(scores), self._output)

    def _target_curve(self, target: Floats, source: Floats) -> Curve:
        return self._mixed(_smooth(target), _smooth(source), len(target))


def _smooth(scores: Floats) -> Smooth:
    from asdcore import SmoothEcdf

    return Smooth(SmoothEcdf(scores))


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``ecdf``."""
    register("ecdf", Ecdf)
