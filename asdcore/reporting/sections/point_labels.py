"""Give points that lie on one another in a chart one shared label, so that every name is readable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

NEAR_X, NEAR_Y = 0.18, 0.07
"""Shares of the axes within which two labels would overlap: names are wide and low."""


def named(rows: Sequence[dict[str, Any]], x: str, y: str, *, logarithmic: bool = False) -> list[dict[str, Any]]:
    """Return the rows with ``label``: the names of the systems whose points lie near the first of them, else "".

    Of more than two the first is named, and how many more there are. Rows without a number on either axis are left out.
    """
    shown = [row for row in rows if row[x] is not None and row[y] is not None]
    if not shown:
        return []
    across = [math.log10(row[x]) if logarithmic and row[x] > 0 else float(row[x]) for row in shown]
    up = [float(row[y]) for row in shown]
    wide, high = (max(axis) - min(axis) or 1.0 for axis in (across, up))
    labels: list[list[str]] = []
    for i, row in enumerate(shown):
        near = (
            k for k in range(i) if labels[k] and _near(across, i, k, wide, NEAR_X) and _near(up, i, k, high, NEAR_Y)
        )
        first = next(near, None)
        labels.append([] if first is not None else [row["system"]])
        if first is not None:
            labels[first].append(row["system"])
    return [{**row, "label": _joined(names)} for row, names in zip(shown, labels, strict=True)]


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"{names[0]} + {len(names) - 1} more"


def _near(axis: Sequence[float], i: int, k: int, span: float, share: float) -> bool:
    return abs(axis[i] - axis[k]) <= share * span
