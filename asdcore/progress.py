"""Progress reporting: a bar on terminals, one line a stage in logs, silent from Python.

All of it goes to stderr, so that stdout holds results alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

QUIET = 10.0
"""Seconds between two lines of a log on what a long stage is doing."""

_DOING: ContextVar[Callable[[str], None] | None] = ContextVar("doing", default=None)
_SAYING: ContextVar[Callable[[str], None] | None] = ContextVar("saying", default=None)


def doing(what: str) -> None:
    """Report what long work is doing within one step of its stage, such as "fan section 00: fold 2 of 5".

    It is shown if the work runs in the process that shows progress; other processes report whole steps alone.
    """
    if (show := _DOING.get()) is not None:
        show(what)


def saying(what: str) -> None:
    """Say once, as a note, what a person should know while long work goes on, such as what it will cost."""
    if (say := _SAYING.get()) is not None:
        say(what)


@contextmanager
def told(show: Callable[[str], None], say: Callable[[str], None]) -> Iterator[None]:
    """Give what :func:`doing` and :func:`saying` are called with inside the block to two functions."""
    tokens = _DOING.set(show), _SAYING.set(say)
    try:
        yield
    finally:
        _DOING.reset(tokens[0])
        _SAYING.reset(tokens[1])


def pace(done: float, seconds: float, total: int = 0) -> str:
    """Return how many steps a second were done, and how long the rest of ``total`` will take at that pace.

    Examples
    --------
    >>> pace(6400, 30.0, 1_000_000)
    '213 a second, 78 min left'
    """
    rate = done / max(seconds, 1e-6)
    speed = (
        f"{rate:.0f} a second" if rate >= 10 else f"{rate:.2g} a second" if rate >= 1 else f"{60 * rate:.2g} a minute"
    )
    if not total or not done:
        return speed
    left = (total - done) / rate
    units = ((5400.0, 3600, "h"), (90.0, 60, "min"), (0.0, 1, "s"))
    span, unit = next((span, unit) for least, span, unit in units if left >= least)
    return f"{speed}, {left / span:.0f} {unit} left"


class Progress(Protocol):
    """Shows what the pipeline reports of its work."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Enter a stage of ``total`` steps (0: unknown yet); the context gives a function to call with steps done."""
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


class EachNoteOnce:
    """Passes stages on as they come, and each note the first time alone: trials differ in little."""

    def __init__(self, shown: Progress) -> None:
        self._shown, self._given = shown, set[str]()

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Enter a stage."""
        return self._shown.stage(name, total)

    def note(self, text: str) -> None:
        """Pass a note on, unless it was given before."""
        if text not in self._given:
            self._given.add(text)
            self._shown.note(text)


class Lines:
    """One line a stage: for logs."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Print the stage when it is done, with its steps and seconds; every ten seconds also how far it is."""
        started, done = time.perf_counter(), 0
        spoken = started

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if done < total:
                show(f"{done:,} of {total:,} ({pace(done, time.perf_counter() - started, total)})")

        def show(what: str) -> None:
            nonlocal spoken
            if (now := time.perf_counter()) - spoken >= QUIET:
                spoken = now
                print(f"{name}: {what}, after {now - started:.0f} s", file=sys.stderr, flush=True)  # noqa: T201

        with told(show, self.note):
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
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[doing]}", style="dim"),
        )
        started = time.perf_counter()

        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            # A total of 0 is one that only the work itself can tell.
            task = bars.add_task(name, total=total or None, doing="", pace="")

            def advance(steps: int) -> None:
                bars.advance(task, steps)
                bars.update(task, pace=pace(bars.tasks[0].completed, time.perf_counter() - started))

            with told(lambda what: bars.update(task, doing=what, refresh=True), partial(_print_note, bars.console)):
                yield advance
            bars.update(task, total=bars.tasks[0].completed, doing="")

    def note(self, text: str) -> None:
        """Print the note."""
        from rich.console import Console

        _print_note(Console(stderr=True), text)


def _print_note(console: Any, text: str) -> None:
    console.print(f"note: {text}", style="yellow", highlight=False, markup=False)


def for_stderr() -> Progress:
    """Bars on a terminal, lines in a file."""
    return Bars() if sys.stderr.isatty() else Lines()
