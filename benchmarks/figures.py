"""How a figure is measured, and shown beside what is promised of it."""

from __future__ import annotations

import time
from collections.abc import Callable


def show(what: str, measured: float, promised: float | None, unit: str) -> bool:
    """Print one line; returns whether the promise is kept."""
    kept = promised is None or measured <= promised
    limit = "" if promised is None else f"promised {promised:g} {unit}"
    print(f"{'ok  ' if kept else 'OVER'}  {what:<58} {measured:9.3f} {unit:<6} {limit}")
    return kept


def cpu_seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return the CPU seconds of the cheapest of several calls: the rest is other people's work."""
    seconds = []
    for _ in range(times):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)
