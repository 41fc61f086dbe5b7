"""The tail of train normals: where it begins, and by how much a clip exceeds its beginning."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats


def check_quantiles(**values: float) -> None:
    """Raise ValueError for a value that is not a number between 0 and 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")


def check_branch(name: str, value: object) -> None:
    """Raise ValueError for anything but the name of a branch."""
    if not (isinstance(value, str) and value):
        raise ValueError(f"{name} must be the name of a branch, got {value!r}")


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
