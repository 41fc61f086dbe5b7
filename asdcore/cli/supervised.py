"""Runs a command in a process of its own, and says how it ended if it cannot say so itself.

A plugin runs in the process of the command, which it may end: by ``os._exit``, by native code that crashes, or by more
memory than there is. A shell would see success, or a number. So the process that the user started forks before
anything is loaded, hands signals on, and waits. It also sees to it that a command which is done does end.

A system that is not Linux may lack what this takes. There a command works in the process that the user started.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from asdcore.cli import main as command
from asdcore.cli.output.streams import open_closed
from asdcore.cli.shared import MISUSED
from asdcore.processes import under_way
from asdcore.processes.last_threads import end_in_time, say

HANDED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}

KEPT = "What was finished is kept: the same command goes on from there."

SOON = 0.2
"""Seconds in which a process notes a signal, even a busy one."""

PR_SET_PDEATHSIG = 1
"""Of ``sys/prctl.h``: the signal that this process gets when its parent ends."""

SUPERVISES = all(hasattr(os, name) for name in ("fork", "memfd_create", "pipe2")) and hasattr(signal, "sigwaitinfo")

_DONE = b"done"


def main() -> None:
    """Run the command line; whatever ends it, its exit code and a message say so."""
    if not SUPERVISES:
        return command()
    sys.exit(supervised(command))


def supervised(work: Callable[[], None]) -> int:
    """Do work in a child process, and return the exit code for this one; in the child it ends as the work does."""
    open_closed()  # or a file of ours would get the number of a closed stream
    doing, done = os.memfd_create("doing"), os.memfd_create("done")
    heard, hears = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    watched = {number for number in HANDED_ON if signal.getsignal(number) != signal.SIG_IGN} | {signal.SIGCHLD}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent = os.getpid()
    child = os.fork()
    if not child:
        _end_with(parent)
        signal.set_wakeup_fd(hears, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        under_way.write_to(doing)
        return _worked(work, done)
    code, handed_on = _awaited(child, watched, heard)
    if os.pread(done, len(_DONE), 0) == _DONE:
        return _after_its_work(code, int(os.pread(done, 8, len(_DONE))))
    if code < 0 and -code in handed_on:
        return _end_likewise(-code)
    say(f"Error: {under_way.sudden_end(code, under_way.read(doing), 'This command')} {KEPT}")
    return MISUSED


def _worked(work: Callable[[], None], done: int) -> int:
    """Do the work; note that it was done, and with which exit code, before Python ends."""
    code: object = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code
        raise
    finally:
        number = code if isinstance(code, int) else int(code is not None)
        os.pwrite(done, _DONE + f"{number:8d}".encode(), 0)
        end_in_time(number)
    return number


def _awaited(child: int, watched: set[signal.Signals], heard: int) -> tuple[int, set[int]]:
    """Wait for a child, and hand it the signals that are sent to this process alone.

    heard : where the child notes each signal that it gets. Returns its exit code, negative for a signal, and the
    signals that it got.
    """
    passed: set[int] = set()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), passed
        signalled = signal.sigwaitinfo(watched)
        if signalled.si_signo == signal.SIGCHLD:
            continue
        passed.add(signalled.si_signo)
        # What a terminal sends, by the kernel, and what is sent to all of a group, the child has got too. If it got an
        # interrupt twice, the second would interrupt what the first makes it clear away.
        if not _has_got(heard, signalled.si_signo) and signalled.si_code <= 0:
            os.kill(child, signalled.si_signo)
            _has_got(heard, signalled.si_signo)


def _has_got(heard: int, number: int) -> bool:
    """Whether a child notes a signal at once; of those that end it at once it notes nothing."""
    noted = b""
    while number not in noted and select.select([heard], [], [], SOON)[0]:
        noted = os.read(heard, 1 << 12)
    return number in noted


def _after_its_work(code: int, number: int) -> int:
    """Return the exit code of a command that was done; a library may crash while Python ends."""
    if code >= 0:
        return code
    if -code in under_way.CRASHES:
        crash = signal.Signals(-code).name
        say(f"Warning: a library crashed ({crash}) after the command was done; its results are whole.")
    return number


def _end_likewise(number: int) -> int:
    """End this process by the signal that has ended the child; returns what a shell would call that."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number


def _end_with(parent: int) -> None:
    """Let this process be killed as soon as its parent is, where the system can do so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # killed before that
        os._exit(MISUSED)
