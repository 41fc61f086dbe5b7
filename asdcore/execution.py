"""Where chunks of work run: this process, or local processes.

A chunk is a function call with plain arguments that writes its result to the store under a name that its inputs
determine, and returns something small. It may run anywhere, in any order, and twice. So one seam, shaped like
``concurrent.futures.Executor``, is enough to move work to other processes, or later to other machines.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from asdcore.errors import AsdcoreError, plain_warnings

Job = TypeVar("Job")
Result = TypeVar("Result")


class InProcess(Executor):
    """Runs every call at once, in this process."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Run the call and return its finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def executor(workers: int, prepare: Callable[[], object] | None = None) -> Iterator[Executor]:
    """Give an executor: this process for 1 worker, as many local processes for more.

    ``prepare`` runs first in each of those processes: what this process has set up for itself must hold there too.
    """
    if workers < 1:
        raise AsdcoreError(f"--workers must be at least 1, got {workers}.")
    if workers == 1:
        yield InProcess()
        return
    # A forked child inherits the locks of torch's and polars' threads in whatever state they were.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start, initargs=(workers, prepare)
    ) as pool:
        yield pool


def run_jobs(pool: Executor, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Run ``work`` on every job and yield results as they come; the first error cancels what has not begun."""
    if isinstance(pool, InProcess):
        yield from map(work, jobs)
        return
    futures = [pool.submit(work, job) for job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute on one thread: how a sum is split over threads must not reach the last bit of a result.

    More cores are used by more workers, which changes no bit.
    """
    from threadpoolctl import threadpool_limits

    # Only where it is loaded: importing torch takes seconds, and a scorer may do without.
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    with threadpool_limits(1):
        try:
            if torch:
                torch.set_num_threads(1)
            yield
        finally:
            if torch:
                torch.set_num_threads(threads)


def _start(workers: int, prepare: Callable[[], object] | None) -> None:
    """Give each worker process its share of the cores, before any library starts its threads.

    An interrupt is the parent's to handle: it stops handing out chunks and lets those under way be finished.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plain_warnings()
    share = str(max(1, (os.cpu_count() or 1) // workers))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(variable, share)
    if prepare:
        prepare()
