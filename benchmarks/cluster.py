"""A run on a cluster of Dask: what a chunk costs beyond its work, and what a second worker brings.

Both are measured in CPU time of all processes, so that other people's work does not count: two workers that use 1.18
times the CPU time of one do 1.7 times as much on two free cores. The wall clock is shown beside it, and says something
only if the cores are free.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from figures import show

CHUNKS, NETWORKS, SECONDS = 1000, 16, 0.3
"""Chunks that do nothing; chunks that compute a network, and how long each."""

OVERHEAD, SCALING = 8.0, 1.7
"""Milliseconds a chunk, at most; times the throughput of one worker that two have, at least."""

PORTFOLIO = """
name = "bench"
[branches.a]
encoder = "logmel"
scorer = "knn"
[systems.s]
weights = { a = 1.0 }
"""


def network(layers: int) -> float:
    """Do the work of a network on one thread."""
    import numpy as np

    from asdcore.compute.threads import single_threaded

    weights = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    with single_threaded():
        for _ in range(layers):
            weights = np.tanh(weights @ weights / 512)
    return float(weights[0, 0])


@contextmanager
def _pool(workers: int) -> Iterator[Any]:
    """Give workers of this machine that have loaded everything."""
    from asdcore.cluster.connection import connected
    from asdcore.cluster.pool import pool_on
    from asdcore.execution import run_jobs
    from asdcore.portfolio import load_portfolio
    from asdcore.progress import Silent

    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "p.toml").write_text(PORTFOLIO)
        with (
            connected(f"local:{workers}", None, Silent()) as cluster,
            pool_on(cluster, load_portfolio(path), Path(folder), [], None) as pool,
        ):
            for _ in run_jobs(pool, network, [1] * 4 * workers):
                pass
            yield pool


def _cpu() -> float:
    """Return the CPU seconds of this process and of the workers."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return own.ru_utime + own.ru_stime + sum(times.user + times.system for times in workers)


def _spent(pool: Any, work: Any, jobs: list[int]) -> tuple[float, float]:
    """Return the CPU and wall seconds of some jobs."""
    from asdcore.execution import run_jobs

    cpu, wall = _cpu(), time.perf_counter()
    for _ in run_jobs(pool, work, jobs):
        pass
    return _cpu() - cpu, time.perf_counter() - wall


def cluster() -> list[bool]:
    """Show what a chunk costs and what a second worker brings."""
    network(1)
    started = time.process_time()
    network(50)
    layers = max(1, int(50 * SECONDS / (time.process_time() - started)))
    with _pool(1) as pool:
        one = _spent(pool, network, [layers] * NETWORKS)
    with _pool(2) as pool:
        two = _spent(pool, network, [layers] * NETWORKS)
        nothing, _ = _spent(pool, abs, list(range(CHUNKS)))
    return [
        show("a chunk on a cluster that does nothing", 1000 * nothing / CHUNKS, OVERHEAD, "CPU ms"),
        show("a network on two workers, to one (CPU)", two[0] / one[0], 2 / SCALING, "times"),
        show("a network on two workers, to one (wall clock)", two[1] / one[1], None, "times"),
    ]


if __name__ == "__main__":
    raise SystemExit(not all(cluster()))
