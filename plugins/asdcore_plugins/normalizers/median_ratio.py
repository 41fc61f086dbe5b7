"""Scores as multiples of the median train normal: z = s / median.

What the score of a normal clip is worth differs by domain: against ten target clips every clip is far. Per domain, and
the smaller ratio taken, this is the domain scaling of the 2026 systems SCOPE and DACo ("ratio"). It keeps the zero of a
distance and needs no scale, so it fits scores that are distances; what is negative it cannot put in proportion.

Parameters: ``scope`` (domain_min; also pooled, source, target) and ``shrinkage`` in clips (10), by which the target's
median is drawn toward the source's: log median_t* = (n_t log median_t + kappa log median_s) / (n_t + kappa).
``stats/scoped.py`` says what they mean. Cost: one selection among the train normals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.normalizers.bases.domain_scope import Curve, ScopedNormalizer
from asdcore_plugins.normalizers.bases.location_scale import line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class MedianRatio(ScopedNormalizer):
    """Scores over the median of train normals."""

    name = "median_ratio"

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0) -> None:
        super().__init__(scope, shrinkage)

    def _curve(self, scores: Floats, which: str) -> Curve:
        return line(0.0, _median(scores, which))

    def _target_curve(self, target: Floats, source: Floats) -> Curve:
        drawn = self._drawn(len(target))
        own, other = math.log(_median(target, "target")), math.log(_median(source, "source"))
        return line(0.0, math.exp((1.0 - drawn) * own + drawn * other))


def _median(scores: Floats, which: str) -> float:
    """The median of scores (n,); raises DataError unless all are distances and half are above 0."""
    import numpy as np

    median = float(np.median(scores))
    if not (scores >= 0).all() or not median > 0:
        raise DataError(
            f"the {len(scores)} train-normal scores ({which}) go down to {float(np.min(scores)):g} with a median of "
            f"{median:g}; a ratio needs scores of at least 0 and a median above it. Use median_iqr."
        )
    return median


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``median_ratio``."""
    register("median_ratio", MedianRatio)
