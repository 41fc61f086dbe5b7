"""Numbers for people: as many decimals as are of use, and never a nothing that is something."""

from __future__ import annotations


def fixed(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return a number with so many decimals; one that they would show as 0 though it is not, with two digits."""
    sign = "+" if signed else ""
    text = f"{value:{sign}.{decimals}f}"
    if float(text) != 0:
        return text
    return f"{value:{sign}.2g}" if value else f"{0:{sign}.{decimals}f}"  # and no minus before a nothing


def rounded(value: float, decimals: int) -> float:
    """Return a number rounded to so many decimals; one that they would make 0 though it is not, to two digits."""
    return round(value, decimals) or (float(f"{value:.2g}") if value else 0.0)
