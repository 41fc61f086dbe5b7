"""The tail of train normals: where it begins, and by how much a clip exceeds its beginning."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats


def excess(base: Floats, threshold: float) -> Floats:
    """Return (base - threshold)+ (n,), rounded down so that base - excess is never below the threshold.

    Examples
    --------
    >>> excess(np.array([0.5, 3.0]), 1.0).tolist()
    [0.0, 2.0]
    """
    over = np.maximum(base - threshold, 0.0)
    return np.where(base - over < threshold, np.nextafter(over, 0.0), over)


def ramp(values: Floats, start: float, end: float) -> Floats:
    """Return 0 at ``start``, 1 at ``end``, linear in between and constant outside; ``end`` may be the smaller one.

    Examples
    --------
    >>> ramp(np.array([0.0, 1.5, 9.0]), 1.0, 2.0).tolist()
    [0.0, 0.5, 1.0]
    """
    rise: Floats = np.clip((values - start) / (end - start), 0.0, 1.0)
    return rise
