"""Lets worker processes show what they are doing: each writes it to a file, and the run's own process reads it."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

from asdcore.progress import doing, saying, told

EVERY = 0.5
"""Seconds between two looks, and at least between two writings."""


@contextmanager
def relayed(path: Path | None) -> Iterator[None]:
    """Write to a file what work inside the block is doing and says; None: leave it as it is."""
    if path is None:
        yield
        return
    notes: list[str] = []
    last, written = "", 0.0

    def write() -> None:
        nonlocal written
        written = time.monotonic()
        with suppress(OSError):  # the run has ended, or its disk is full: progress is no reason to fail
            half = path.with_suffix(".half")
            half.write_text(json.dumps({"doing": last, "said": notes}))
            half.replace(path)

    def show(what: str) -> None:
        nonlocal last
        last = what
        if time.monotonic() - written >= EVERY:
            write()

    def say(what: str) -> None:
        notes.append(what)
        write()

    with told(show, say):
        yield


class Relayed(Protocol):
    """A job that says where its worker writes what it is doing."""

    @property
    def relay(self) -> Path | None:
        """The file; None in the run's own process."""
        ...


Job = TypeVar("Job", bound="Relayed")


@contextmanager
def relays(jobs: Sequence[Job], workers: int | None) -> Iterator[list[Job]]:
    """Give jobs (dataclasses) a file each, if workers do them, and show inside the block what they write there.

    workers : processes of this machine; None if they are elsewhere, and cannot write to its disk.
    """
    if workers in (1, None):
        yield list(jobs)
        return
    with _shown() as folder:
        yield [replace(job, relay=folder / f"{i}.json") for i, job in enumerate(jobs)]  # type: ignore[type-var]


@contextmanager
def _shown() -> Iterator[Path]:
    """Show inside the block what workers write to files in the folder that it gives."""
    with TemporaryDirectory(prefix="asdcore-progress-") as folder:
        stop = threading.Event()
        looks = contextvars.copy_context()
        thread = threading.Thread(target=looks.run, args=(_look, Path(folder), stop), daemon=True)
        thread.start()
        try:
            yield Path(folder)
        finally:
            stop.set()
            thread.join()


def _look(folder: Path, stop: threading.Event) -> None:
    heard: dict[Path, int] = {}
    ended = False
    while not ended:
        ended = stop.wait(EVERY)  # one more look at the end
        with suppress(OSError, ValueError):
            files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
            for path in files:
                about = json.loads(path.read_text())
                for text in about["said"][heard.get(path, 0) :]:
                    saying(text)
                heard[path] = len(about["said"])
            if files and not ended:
                doing(json.loads(files[-1].read_text())["doing"])
