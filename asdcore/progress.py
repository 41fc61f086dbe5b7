"""How long work says that it is alive: a bar on a terminal, one line a stage elsewhere, nothing from Python.

All of it goes to stderr, so that stdout holds results alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """What the pipeline tells of its work."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Enter a stage of ``total`` steps (0: not known yet); the context gives a function to call with steps done."""
        ...

    def note(self, text: str) -> None:
        """Say something that a person should know about the result."""
        ...


class Silent:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Do nothing."""
        yield lambda steps: None

    def note(self, text: str) -> None:
        """Do nothing; notes are in ``run.json``."""


class Lines:
    """One line a stage: for logs."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Print the stage when it is done, with its steps and seconds."""
        started, done = time.perf_counter(), 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps

        yield advance
        print(f"{name}: {done} in {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)  # noqa: T201

    def note(self, text: str) -> None:
        """Print the note."""
        print(f"note: {text}", file=sys.stderr, flush=True)  # noqa: T201


class Bars:
    """A bar for each stage: for terminals."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar while the stage runs, and leave its last state."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            # A total of 0 is one that only the work itself can tell.
            task = bars.add_task(name, total=total or None)
            yield lambda steps: bars.advance(task, steps)
            bars.update(task, total=bars.tasks[0].completed)

    def note(self, text: str) -> None:
        """Print the note."""
        from rich.console import Console

        Console(stderr=True).print(f"note: {text}", style="yellow", highlight=False, markup=False)


def for_stderr() -> Progress:
    """Bars where a person watches, lines where a file does."""
    return Bars() if sys.stderr.isatty() else Lines()
