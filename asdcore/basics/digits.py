"""Numbers for people: a few decimals, and never 0 for a number that is not 0."""

from __future__ import annotations


def fixed(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return a number as text with so many decimals. If they would show 0 for another number, it gets two digits."""
    sign = "+" if signed else ""
    text = f"{value:{sign}.{decimals}f}"
    if float(text) != 0:
        return text
    return f"{value:{sign}.2g}" if value else f"{0:{sign}.{decimals}f}"  # and no minus before 0


def rounded(value: float, decimals: int) -> float:
    """Return a number rounded to so many decimals. If they would make 0 of another number, it keeps two digits."""
    return round(value, decimals) or (float(f"{value:.2g}") if value else 0.0)
