"""Checks the arrays that scorers, normalizers and guards return: one finite value for each clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PluginError

Floats = NDArray[np.float64]


def one_value_each(values: Any, n_clips: int, who: str, what: str) -> Floats:
    """Return values as float64 (n_clips,); raises PluginError if their shape differs.

    who : such as "scorer 'knn'". what : such as "scores".
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n_clips,):
        raise PluginError(f"{who} gave {what} {array.shape} for {n_clips} clips; ({n_clips},) is the contract.")
    return array


def finite(values: Floats, who: str, what: str) -> Floats:
    """Return values; raises DataError if one of them is not finite."""
    if not np.isfinite(values).all():
        raise DataError(f"{who} gave {int((~np.isfinite(values)).sum())} {what} that are not finite")
    return values
