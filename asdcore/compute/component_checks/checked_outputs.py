"""Checks the arrays that components return: real numbers, and of a scorer, normalizer or guard one for each clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PluginError

Floats = NDArray[np.float64]


def real_numbers(values: Any, what: str) -> NDArray[Any]:
    """Return values as an array of real numbers; raises PluginError for others.

    Of complex numbers a conversion would drop a part, of masked ones the mask, and of text it would make numbers.
    what : who gave what, such as "scorer 'knn' gave scores".
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "fiub":
        raise PluginError(f"{what} of type {array.dtype}; real numbers are the contract.")
    if np.ma.is_masked(values):
        raise PluginError(f"{what} that are masked in part; a number for each is the contract.")
    return array


def one_value_each(values: Any, n_clips: int, who: str, what: str) -> Floats:
    """Return values as float64 (n_clips,); raises PluginError if their shape differs.

    who : such as "scorer 'knn'". what : such as "scores".
    """
    array = real_numbers(values, f"{who} gave {what}").astype(np.float64, copy=False)
    if array.shape != (n_clips,):
        raise PluginError(f"{who} gave {what} {array.shape} for {n_clips} clips; ({n_clips},) is the contract.")
    return array


def finite(values: Floats, who: str, what: str) -> Floats:
    """Return values; raises DataError if one of them is not finite."""
    if not np.isfinite(values).all():
        raise DataError(f"{who} gave {int((~np.isfinite(values)).sum())} {what} that are not finite")
    return values
