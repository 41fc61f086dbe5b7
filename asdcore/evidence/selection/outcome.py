"""The result of a protocol of selection, in one shape for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asdcore.basics.digits import fixed
from asdcore.evidence.data_frames import Tabular


@dataclass(frozen=True)
class Outcome(Tabular):
    """The result of a protocol of selection.

    Attributes
    ----------
    protocol : str
        Such as "lomo".
    definition : str
        What was done and what the numbers are, so that a figure never travels without it.
    facts : dict
        The overall numbers; scores are fractions in [0, 1].
    rows : list of dict
        A table with a row for each machine or candidate.
    sentence : str
        The conclusion.
    looks : int or None
        How often the labels have been looked at, this time included; None if the protocol does not look.
    no_fractions : tuple of str
        Numbers of the facts and the table that are not fractions of something, such as p-values.

    """

    protocol: str
    definition: str
    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    sentence: str
    looks: int | None = None
    no_fractions: tuple[str, ...] = ("p",)

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return the table of the protocol: a row for each machine or candidate."""
        return self.rows

    def in_percent(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row, or the facts, as a person reads it: fractions in percent, as the sentence has them."""
        return {
            name: 100 * value if isinstance(value, float) and name not in self.no_fractions else value
            for name, value in row.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore select --json`` prints."""
        return {
            "protocol": self.protocol,
            "definition": self.definition,
            **self.facts,
            "rows": self.rows,
            "sentence": self.sentence,
            "looks": self.looks,
        }


def points(value: float, signed: bool = False) -> str:
    """Return a fraction as points (hundredths)."""
    return fixed(100 * value, signed=signed)
