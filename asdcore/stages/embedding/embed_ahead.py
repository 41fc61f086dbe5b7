"""Does work ahead of whoever needs it, a few steps and no more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")

AHEAD = 8
"""Clips that are decoded before the network asks for them, and held meanwhile."""


def done_ahead(pool: Executor, function: Callable[[Job], Done], jobs: Iterable[Job], most: int) -> Iterator[Done]:
    """Yield what ``function`` makes of each job, in order, while ``pool`` works at most ``most`` jobs ahead."""
    under_way: deque[Future[Done]] = deque()
    for job in jobs:
        # A thread has no context of its own, and would not know to which plugins this one is restricted.
        under_way.append(pool.submit(copy_context().run, function, job))
        if len(under_way) > most:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
