"""Starts a Dask cluster on this machine, and keeps its log from the user."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

from asdcore.basics.cores import cores

CLOSING = 15.0
"""Seconds that closing may take; what lives on then ends with this process."""

AGAIN = "10 minutes"
"""How long a worker that has ended may take to be there again."""

STARTS = 3
"""How often a cluster is started of which a worker ends before it is there."""

_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "bokeh")
_NOTHING = logging.CRITICAL + 1


def local_cluster(workers: int, resources: dict[str, float], closing: ExitStack, note: Callable[[str], object]) -> Any:
    """Start a cluster of this machine, with one thread a worker; ``closing`` will close it.

    Dask gives up a cluster of which one worker ends before it is there. Whatever killed it may have passed, so it is
    started anew, and ``note`` is told. resources : what each worker says that it has.

    Raises RuntimeError if a worker ends each time, and OSError.
    """
    import dask

    # Dask closes a worker for good that is not there again in 15 s, and a busy machine takes longer to start one.
    closing.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": AGAIN}))
    share = str(max(1, cores() // workers))
    settings = {
        "distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": share,
        # A worker that waits for memory which no task holds would wait for ever.
        "distributed.worker.memory.pause": False,
    }
    # Workers inherit the mask of the thread that starts them: an interrupt is the parent's to handle. Python's tracker
    # would take the mask away as it starts.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with dask.config.set(settings):
            cluster = _started(workers, resources, note)
        closing.callback(closed, partial(cluster.close, timeout=CLOSING / 2))
        return cluster
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _started(workers: int, resources: dict[str, float], note: Callable[[str], object]) -> Any:
    from distributed import LocalCluster

    left = STARTS
    while True:
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=":0",
                memory_limit=_memory() // workers,
                silence_logs=_NOTHING,
                resources=resources,
            )
        except RuntimeError:
            left -= 1
            if not left:
                raise
            note("a worker on this machine ended before it was there: all are started anew.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Dask logs in this process from the user: errors reach them as messages."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    before = [(handler, handler.level) for handler in handlers if isinstance(handler, logging.StreamHandler)]
    asyncio, level = logging.getLogger("asyncio"), logging.getLogger("asyncio").level
    for handler, _ in before:
        handler.setLevel(_NOTHING)
    asyncio.setLevel(_NOTHING)
    try:
        yield
    finally:
        for handler, of_handler in before:
            handler.setLevel(of_handler)
        asyncio.setLevel(level)


def closed(close: Callable[[], object]) -> None:
    """Close something of Dask's, which sometimes does not return. A second interrupt does not disturb it."""
    closing = threading.Thread(target=close, daemon=True)
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    try:
        closing.start()
        closing.join(CLOSING)
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _memory() -> int:
    """Return the memory that this process may use, in bytes."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)
