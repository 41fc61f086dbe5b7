"""The windows that a portfolio cuts recordings into."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, model_validator

from asdcore.errors import PortfolioError
from asdcore.portfolio.strict import Strict

LONGEST, SHORTEST = 86400.0, 0.01
"""Seconds of a window at most (it is held in memory), and from one window to the next at least."""


class Windows(Strict):
    """Cut every recording into windows of equal length, which are then the clips.

    seconds : of a window. hop : seconds from the begin of one window to that of the next; by default those of a window.
    """

    seconds: float = Field(ge=SHORTEST, le=LONGEST)
    hop: float = Field(default=0.0, ge=SHORTEST, le=LONGEST)

    @model_validator(mode="before")
    @classmethod
    def _without_overlap(cls, values: Any) -> Any:
        """Let windows lie side by side if no hop is given."""
        if isinstance(values, dict) and values.get("hop") is None and "seconds" in values:
            return {**values, "hop": values["seconds"]}
        return values

    @model_validator(mode="after")
    def _nothing_between(self) -> Windows:
        if self.hop > self.seconds:
            raise ValueError(
                f"windows of {self.seconds:g} s begin every {self.hop:g} s, so sound between them would not be heard. "
                "Let hop be at most seconds."
            )
        return self


def windows_of(seconds: float, hop: float | None = None) -> Windows:
    """Return windows of this length; raises PortfolioError if a value is out of range."""
    try:
        return Windows.model_validate({"seconds": seconds, "hop": hop})
    except ValidationError as error:
        wrong = error.errors()[0]
        message = wrong["msg"].removeprefix("Value error, ")
        where = f"{wrong['loc'][0]}: {message}, got {wrong['input']!r}." if wrong["loc"] else message
        raise PortfolioError(f"windows: {where}") from None
