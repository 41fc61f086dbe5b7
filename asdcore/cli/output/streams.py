"""Output that does not arrive: the disk is full, nobody reads it, or the stream is closed.

A command whose results on stdout were lost has failed. Messages on stderr may be lost: the work goes on.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from asdcore.errors import AsdcoreError

UNHEARD = 141
"""Exit code if nobody reads the output any more, as a shell gives it: 128 and the number of SIGPIPE."""


_answer: ContextVar[_Stream | None] = ContextVar("answer", default=None)


@contextmanager
def own_streams(*, answer_alone: bool = False) -> Iterator[None]:
    """Hold stdout and stderr to this inside; raises AsdcoreError if writing to stdout fails.

    answer_alone : let stdout have nothing but what :func:`write_answer` writes. All else that is printed, such as by a
    plugin or by a library in C, goes to stderr.
    """
    open_closed()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere, ExitStack() as stack:  # noqa: PTH123  (no path)
        out, err = before[0] or nowhere, before[1] or nowhere
        if answer_alone:
            out = stack.enter_context(_moved(out))
        if hasattr(out, "reconfigure"):
            out.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show ends no command
        own_out, sys.stderr = _Stream(out, _lost_output), _Stream(err, _discard)
        sys.stdout = sys.stderr if answer_alone else own_out
        token = _answer.set(own_out)
        try:
            yield
            own_out.flush()
        finally:
            _answer.reset(token)
            sys.stdout, sys.stderr = before


def is_answer_alone(arguments: Sequence[str]) -> bool:
    """Whether what a command prints on stdout is for a program: JSON, a table by ``--csv -``, verdicts or events."""
    if "--help" in arguments:
        return False
    return "--json" in arguments or "-" in arguments or arguments[:1] in (["detect"], ["monitor"])


def write_answer(text: str, end: str = "\n") -> None:
    """Write a text to where the command's answer goes."""
    stream: _Stream | TextIO = _answer.get() or sys.stdout
    stream.write(f"{text}{end}")
    stream.flush()


def is_answer_in_a_file() -> bool:
    """Whether the command's answer goes to a file, so that a full disk would lose it."""
    stream: _Stream | TextIO = _answer.get() or sys.stdout
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # a stream in memory
        return False


@contextmanager
def _moved(out: TextIO) -> Iterator[TextIO]:
    """Give a stream to where ``out`` led, while its descriptor, if it has one, leads to stderr."""
    try:
        number = out.fileno()
    except (OSError, ValueError):  # a stream in memory
        yield out
        return
    out.flush()
    kept = os.dup(number)
    os.dup2(2, number)
    try:
        with open(kept, "w", encoding=out.encoding, closefd=False) as moved:
            yield moved
    finally:
        out.flush()
        os.dup2(kept, number)
        os.close(kept)


def check_folder() -> None:
    """Raise AsdcoreError if the working directory is gone: all sorts of libraries ask for it."""
    try:
        Path.cwd()
    except OSError as error:
        raise AsdcoreError(
            f"The folder that this command was started in is gone or locked ({error.strerror}). Change to one that "
            "exists, such as with 'cd', and give the command again."
        ) from error


class _Stream:
    """A stream that calls ``failed`` with itself and the error if the system refuses what is written.

    And so for every later call: typer tries a stream before it writes, and lets no error of that trial pass.
    """

    def __init__(self, stream: TextIO, failed: Callable[[TextIO, OSError], None]) -> None:
        self._stream, self._failed = stream, failed
        self._trouble: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, and say how long it is."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Write what waits to be written."""
        self._try(self._stream.flush)

    def close(self) -> None:
        """Keep it open: a plugin that closes it would take it from everybody."""
        self.flush()

    def _try(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except OSError as error:
            self._trouble = error
        if self._trouble:
            self._failed(self._stream, self._trouble)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _lost_output(stream: TextIO, error: OSError) -> None:
    _discard(stream, error)
    if error.errno == errno.EPIPE:
        sys.exit(UNHEARD)
    raise AsdcoreError(
        f"The output of this command could not be written: {error.strerror}. What it made is kept; free some space or "
        "choose another place for the output, and give the command again."
    )


def _discard(stream: TextIO, _: OSError) -> None:
    """Discard what a stream still holds and all that follows: Python would write it once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed() -> None:
    """Open the standard streams that are closed: else the next file opened would get the number of one.

    Then whatever a library prints would be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
