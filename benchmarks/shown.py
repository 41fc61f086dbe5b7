"""How a measured figure is shown beside what is promised of it."""

from __future__ import annotations


def show(what: str, measured: float, promised: float | None, unit: str) -> bool:
    """Print one line; returns whether the promise is kept."""
    kept = promised is None or measured <= promised
    limit = "" if promised is None else f"promised {promised:g} {unit}"
    print(f"{'ok  ' if kept else 'OVER'}  {what:<58} {measured:9.3f} {unit:<6} {limit}")
    return kept
