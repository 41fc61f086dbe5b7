"""Runs a portfolio, by default with made-up features, and prints the CPU seconds of each stage, as JSON.

It is run by the Python of the build that is measured: ``python benchmarks/stage_costs.py PORTFOLIO DATA STORE OUT``.
Features are drawn from the clips' digests and not computed, since embedding is not what is measured; with ``real`` at
the end they are computed. A number after that is how many rows tables hold together, as they do with 65,536 if large.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

WIDTH = 128
"""Features a clip."""


def main(
    portfolio: str, data: str, store: str, out: str, features: str = "made up", rows_together: str | None = None
) -> None:
    """Run, and print what each stage took."""
    import asdcore

    try:
        from asdcore.stages.embedding import embed
    except ImportError:  # as earlier builds call it
        from asdcore.stages import embed  # type: ignore[no-redef,attr-defined]
    if rows_together:
        with suppress(ImportError):  # earlier builds have no such number
            from asdcore.basics import table_files

            table_files.ROW_GROUP = int(rows_together)

    if features != "real":
        embed.embed = made_up
        embed.try_out = lambda *_: None
    stages = Stages()
    started = time.process_time()
    asdcore.run(portfolio, data, out, task="dcase2026", store=store, progress=stages)
    stages.seconds["total"] = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**stages.seconds, "peak_mb": peak}))


def made_up(job: Any) -> int:
    """Write features that depend on the audio digest alone."""
    import numpy as np

    from asdcore.store.cache import FeatureSet

    names = [sha256 for _, sha256 in job.clips]
    for request in job.requests:
        for output in request.outputs:
            rows = [np.random.default_rng(int(name[:12], 16)).normal(size=WIDTH).astype(np.float32) for name in names]
            FeatureSet(output.folder).write(names, rows)
    return len(names)


class Stages:
    """Progress that keeps the CPU seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Time a stage."""
        started = time.process_time()
        yield lambda _: None
        self.seconds[name] = time.process_time() - started

    def note(self, text: str) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main(*sys.argv[1:])
