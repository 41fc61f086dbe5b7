"""Turns results into data frames, for notebooks and spreadsheets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from asdcore.errors import AsdcoreError

ENDS = ("low", "high")
"""The columns that an interval becomes: NAME_low and NAME_high."""


class Tabular(ABC):
    """A result that can be read as a table: of polars, of pandas, or rows of plain values."""

    @abstractmethod
    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return one mapping for each row; an interval may be a list of two numbers."""

    def to_polars(self) -> pl.DataFrame:
        """Return the table as a polars frame; an interval NAME is two columns, NAME_low and NAME_high."""
        return frame(self.rows_of_values())

    def to_pandas(self) -> Any:
        """Return the table as a pandas frame; raises AsdcoreError if pandas is not installed."""
        try:
            return self.to_polars().to_pandas()
        except ModuleNotFoundError as error:
            raise AsdcoreError(
                f"A pandas frame needs {error.name}, which is not installed: pip install pandas."
            ) from error


def frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a polars frame: intervals as two columns, nested values left out."""
    return pl.DataFrame([flat(row) for row in rows], infer_schema_length=None)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with every interval as two values and without anything else that is nested."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        if _is_interval(value):
            values |= {f"{name}_{end}": part for end, part in zip(ENDS, value, strict=True)}
        elif not isinstance(value, list | tuple | Mapping):
            values[name] = value
    return values


def _is_interval(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == len(ENDS)
        and all(isinstance(end, int | float) for end in value)
    )
