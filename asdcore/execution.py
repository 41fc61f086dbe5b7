"""Runs chunks of work, in this process, in local processes, or elsewhere.

A chunk is a function call with plain arguments that writes its result to the store under a name that its inputs
determine, and returns something small. It may run anywhere, in any order, and twice. So one seam, shaped like
``concurrent.futures.Executor``, is enough to move work to other processes; :class:`Elsewhere` takes it to machines.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from asdcore.basics.cores import cores
from asdcore.errors import AsdcoreError, plain_warnings
from asdcore.processes.last_threads import end_in_time
from asdcore.processes.under_way import read, sudden_end, under_way, write_to

MOST = 1000
"""Local processes: Python's pool asks the system for locks for each of them at once."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Elsewhere(ABC):
    """What runs jobs on other machines."""

    @abstractmethod
    def run(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Run ``work`` on every job and yield results as they come."""


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


class Processes(ProcessPoolExecutor):
    """Local processes, each of which writes to a file in ``doing``, named after its number, what it does."""

    doing: Path


def check_number(workers: int) -> None:
    """Raise AsdcoreError for a number of local processes that no machine has."""
    if not 1 <= workers <= MOST:
        raise AsdcoreError(f"--workers must be at least 1 and at most {MOST:,}, got {workers}.")


@contextmanager
def executor(workers: int, prepare: Callable[[], object] | None = None) -> Iterator[Executor]:
    """Give an executor: this process for 1 worker, as many local processes for more.

    ``prepare`` runs first in each of those processes: what this process has set up for itself must hold there too.

    Raises AsdcoreError if the system does not allow local processes.
    """
    check_number(workers)
    if workers == 1:
        yield InProcess()
        return
    with _allowed():
        # A forked child inherits the locks of torch's and polars' threads in whatever state they were.
        doing = TemporaryDirectory(prefix="asdcore-", ignore_cleanup_errors=True)
        pool = Processes(
            workers,
            mp_context=get_context("spawn"),
            initializer=_start,
            initargs=(workers, doing.name, prepare),
        )
    pool.doing = Path(doing.name)
    others = set(active_children())
    with doing, pool:
        try:
            yield pool
        except AsdcoreError as error:
            if isinstance(error.__cause__, BrokenExecutor):
                # A worker that was just starting may outlive the pool's own SIGTERM, which would wait for it for ever.
                for worker in set(active_children()) - others:
                    worker.kill()
            raise


def run_jobs(pool: Executor | Elsewhere, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Run ``work`` on every job and yield results as they come; the first error cancels what has not begun.

    Raises AsdcoreError if a worker process ends before its work does.
    """
    if isinstance(pool, InProcess | Elsewhere):
        yield from map(partial(named, work), jobs) if isinstance(pool, InProcess) else pool.run(work, jobs)
        return
    futures: list[Future[Result]] = []
    try:
        with _allowed(), _interrupted_later():
            futures.extend(pool.submit(shielded, work, job) for job in jobs)
        # The pool forgets its processes once one is lost.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenExecutor as error:
                raise AsdcoreError(_lost(processes, pool)) from error
            yield result
    finally:
        for future in futures:
            future.cancel()


def named(work: Callable[[Job], Result], job: Job) -> Result:
    """Run a job, known as under way by its name if it has one."""
    if not _where(job):
        return work(job)
    with under_way(_where(job)):
        return work(job)


def name_of(job: Any) -> str:
    """Return words for a chunk of work."""
    return _where(job) or type(_first(job)).__name__


def _where(job: Any) -> str:
    return str(getattr(_first(job), "where", ""))


def _first(job: Any) -> Any:
    """Return the first of several jobs that are done together."""
    return job[0] if isinstance(job, tuple) and job else job


def _end_with_parent(doing: Path) -> None:
    """End this worker process as soon as the process that started it has ended, however that was.

    Nobody would give it work any more, and nobody would tell it to end: it would wait for ever, with all its memory.
    """
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(doing, ignore_errors=True)  # the last to know of it
        os._exit(1)


def shielded(work: Callable[[Job], Result], job: Job) -> Result:
    """Run a job in a worker, and replace an error that does not pickle by one that does.

    Exceptions of many libraries pickle and do not unpickle. The parent would then see only a lost worker.
    """
    try:
        return named(work, job)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            trace = "".join(traceback.format_exception(error))
            raise RuntimeError(f"{type(error).__name__}: {error}\n{trace}") from None
        raise


@contextmanager
def _allowed() -> Iterator[None]:
    """Say what to do if the system refuses to start processes, or the locks that they share."""
    try:
        yield
    except (OSError, ImportError, RuntimeError) as error:
        if isinstance(error, BrokenExecutor):
            raise AsdcoreError(_lost([], None)) from error
        raise AsdcoreError(
            f"This system does not let asdcore start worker processes ({error}). They need a /dev/shm that may be "
            "written, and room for more processes. '--workers 1' does without: it works in this process."
        ) from error


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let an interrupt wait, here and in the processes that are started inside, where it waits until :func:`_start`.

    A terminal sends it to all of them, and one that still imports would show where.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _lost(processes: list[Any], pool: Executor | None) -> str:
    """Say how a worker was lost, and what it did."""
    pid, code = _first_to_end(processes)
    names = read(pool.doing / str(pid)) if isinstance(pool, Processes) else []
    end = sudden_end(code, names, "A worker process")
    if code == 1:
        end += " A script may use workers only under 'if __name__ == \"__main__\":', for each worker imports it anew."
    return f"{end} What was finished is kept: the same command goes on from there, with '--workers 1' in one process."


def _first_to_end(processes: list[Any]) -> tuple[int | None, int | None]:
    """Return the number and exit code of the process that broke a pool, None if the system does not say.

    The pool ends the others with SIGTERM, by a thread of its own.
    """
    deadline = time.monotonic() + 5
    while any(process.exitcode is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
    ended = [process for process in processes if process.exitcode not in (None, -signal.SIGTERM)]
    return (ended[0].pid, ended[0].exitcode) if ended else (None, None)


def _start(workers: int, doing: str, prepare: Callable[[], object] | None) -> None:
    """Give each worker process its share of the cores, before any library starts its threads.

    An interrupt is the parent's to handle: it stops handing out chunks and lets those under way be finished.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, args=(Path(doing),), daemon=True).start()
    with suppress(OSError):
        write_to(os.open(Path(doing, str(os.getpid())), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    Finalize(None, end_in_time, exitpriority=0)
    plain_warnings()
    share = str(max(1, cores() // workers))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(variable, share)
    if prepare:
        prepare()
