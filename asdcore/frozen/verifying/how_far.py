"""Measure how far recomputed numbers are from the frozen ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.runs.folder import TABLES


class Apart(NamedTuple):
    """The largest absolute difference of two arrays, and the largest size of a frozen number."""

    absolute: float
    largest: float

    def __str__(self) -> str:
        of = f" ({self.absolute / self.largest:.1e} of the largest)" if self.absolute and self.largest else ""
        return f"by up to {self.absolute:.3g}{of}"


def in_words(apart: Apart | None) -> str:
    """Return how far two arrays or tables are apart, to follow the words "they differ"."""
    return "in their form" if apart is None else str(apart)


def arrays_apart(frozen: NDArray[Any], again: NDArray[Any]) -> Apart | None:
    """Return how far two arrays of one shape are apart, None if shapes differ or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from asdcore.frozen.verifying.how_far import arrays_apart
    >>> str(arrays_apart(np.array([2.0, 4.0]), np.array([2.0, 4.0 + 4e-9])))
    'by up to 4e-09 (1.0e-09 of the largest)'
    """
    if frozen.shape != again.shape:
        return None
    before, after = frozen.astype(np.float64), again.astype(np.float64)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    return Apart(float(abs(after - before).max(initial=0.0)), float(abs(before).max(initial=0.0)))


def tables_apart(name: str, frozen: pl.DataFrame, again: pl.DataFrame) -> Apart | None:
    """Return how far two tables are apart in any number, None if rows or words differ.

    Parameters
    ----------
    name : str
        A table of a run, such as "scores".
    frozen, again : polars.DataFrame
        The two tables, in any order of rows.
    """
    table = TABLES[name]
    kinds = (pl.Float64, pl.Float32, pl.Int8)
    numbers = [column for column, kind in table.columns.items() if kind in kinds and column not in table.key]
    frozen, again = frozen.sort(table.key), again.sort(table.key)
    if not numbers or len(frozen) != len(again) or not frozen.drop(numbers).equals(again.drop(numbers)):
        return None
    columns = ((frame[column].to_numpy() for frame in (frozen, again)) for column in numbers)
    apart = [arrays_apart(*pair) for pair in columns]
    measured = [each for each in apart if each is not None]
    return max(measured, default=None) if len(measured) == len(apart) else None
