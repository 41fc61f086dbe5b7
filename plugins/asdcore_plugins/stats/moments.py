"""Mean and standard deviation of a sample, and how much too small the latter is for few values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from asdcore import DataError
from asdcore_plugins.stats.location_scale import no_spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FLOOR = 1e-12
"""A deviation below this share of the largest score is rounding."""


def mean_deviation(scores: Floats, which: str) -> tuple[float, float]:
    """Mean and deviation (n - 1) of scores (n,); raises DataError where all are equal."""
    import numpy as np

    deviation = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    if not deviation > FLOOR * float(np.abs(scores).max()):
        raise DataError(no_spread("standard deviation", len(scores), which))
    return float(np.mean(scores)), deviation


def c4(n: int) -> float:
    """Return the expected deviation of n >= 2 standard Gaussian values."""
    return math.sqrt(2.0 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
