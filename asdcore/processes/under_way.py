"""What a process is doing, kept where another can read it once this one has ended without a word.

A plugin may end its process: ``os._exit``, ``exit`` of a library in C, or native code that crashes. No exception says
so then. The names of the work and of the plugin under way are written to a small file, for the process that waits.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 8192
"""Bytes of the file: of names that need more, none is written."""

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
"""Signals that a process causes itself, by a fault of native code."""

Names = list[tuple[str, str]]
"""Pairs of role and words, the outermost first. The role is "work", or "plugin" for code of one."""

_file: tuple[int, int] | None = None
"""The process that writes, since a plugin may fork it, and the descriptor that it writes to."""
_names: dict[int, Names] = {}
_lock = threading.Lock()


def write_to(file: int | None) -> None:
    """Write what this process is doing to a file from now on; None: no more."""
    global _file
    _file = None if file is None else (os.getpid(), file)


@contextmanager
def under_way(words: str, role: str = "work") -> Iterator[None]:
    """Let a piece of work, or the code of a plugin (``role="plugin"``), be under way inside.

    Examples
    --------
    >>> import os
    >>> file = os.memfd_create("example")
    >>> write_to(file)
    >>> with under_way("branch 'near', fan section 00"), under_way("scorer 'mine'", "plugin"):
    ...     print(sudden_end(3, read(file)))
    scorer 'mine', at branch 'near', fan section 00, ended its process with exit code 3 before its work was done. A \
plugin must not do so, as os._exit does: 'asdcore check-plugin mine' may show where.
    >>> write_to(None)
    """
    if _file is None or _file[0] != os.getpid():
        yield
        return
    thread = threading.get_ident()
    with _lock:
        _names.setdefault(thread, []).append((role, words))
        _write(_file[1])
    try:
        yield
    finally:
        with _lock:
            _names[thread].pop()
            if not _names[thread]:
                del _names[thread]
            _write(_file[1])


def _write(file: int) -> None:
    text = json.dumps(list(_names.values())).encode()
    with suppress(OSError):  # a full disk ends no work
        os.pwrite(file, (text if len(text) <= SIZE else b"[]").ljust(SIZE), 0)


def read(file: Path | int) -> Names:
    """Return what a process that has ended was doing, from its file or a descriptor of that.

    Of several threads it is that in a plugin, or the first: others wait, or prepare the next clips.
    """
    try:
        text = os.pread(file, SIZE, 0) if isinstance(file, int) else file.read_bytes()
        threads = [[(role, words) for role, words in names] for names in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return []
    return max(threads, key=lambda names: "plugin" in dict(names), default=[])


def sudden_end(code: int | None, names: Names, subject: str = "A process") -> str:
    """Say how a process ended, at which work, and what to do.

    code : its exit code, negative for a signal, None if unknown. names : what it was doing. subject : what it was.
    """
    plugin = next((words for role, words in reversed(names) if role == "plugin"), "")
    is_its_own = code is not None and (code >= 0 or -code in CRASHES)
    who = plugin if plugin and is_its_own else subject
    places = ", ".join(dict.fromkeys(words for _, words in names if words != who))
    who = f"{who}, at {places}," if places else who
    if code is None:
        return f"{who} ended before its work was done."
    name = plugin.partition("'")[2].removesuffix("'")
    check = f"'asdcore check-plugin {name}' may show where" if plugin else ""
    if code >= 0:
        why = f" A plugin must not do so, as os._exit does: {check}." if plugin else ""
        return f"{who} ended{' its process' * bool(plugin)} with exit code {code} before its work was done.{why}"
    why = ""
    if -code == signal.SIGKILL:
        why = " The system does that when memory runs out: fewer --workers need less."
    elif is_its_own:
        why = f" Native code has crashed; PYTHONFAULTHANDLER=1 shows where{f', {check}' if check else ''}."
    return f"{who} was killed by signal {-code} ({signal.Signals(-code).name}) before its work was done.{why}"
