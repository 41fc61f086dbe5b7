"""Who holds a folder: written into its lock file, and kept fresh while that process lives.

A lock of the system ends with its process, but not every file system shares locks between hosts (sshfs does not, nor
some mounts of NFS). So whoever holds the lock file also writes something new into it every few seconds. What another
host has written is believed as long as it changes: a process that was killed, or a host that lost its power, holds
nothing for longer than it takes to see that.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asdcore.store.disk.file_locks import Lock

BEAT = 5.0
"""Seconds after which a holder writes anew."""

WATCHED = 15.0
"""Seconds for which what another host has written is watched."""

_SIZE = 1000
"""Bytes of a lock file."""


@contextmanager
def written(lock: Lock) -> Iterator[None]:
    """Say in a lock file who holds it, until the end. A file that holds something else stays as it is."""
    if not is_ours(lock.path):
        yield
        return
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    about = {"asdcore": "writes here", "process": os.getpid(), "host": platform.node(), "since": since}
    ended = threading.Event()

    def beat(number: int) -> None:
        line = json.dumps({**about, "kernel": kernel(), "beat": number})
        with suppress(OSError):  # a full disk; the lock holds all the same
            os.pwrite(lock.descriptor, line.encode()[:_SIZE].ljust(_SIZE), 0)
            os.fsync(lock.descriptor)

    def beats() -> None:
        number = 1
        while not ended.wait(BEAT):
            beat(number)
            number += 1

    beat(0)
    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def is_ours(path: Path) -> bool:
    """Whether a lock file is empty, or holds what a holder has written."""
    try:
        return not path.stat().st_size or bool(holder(path))
    except OSError:
        return False


def holder(path: Path) -> dict[str, Any]:
    """Return what the holder of a lock file says of itself, nothing if it says nothing."""
    try:
        with path.open("rb") as file:
            about = json.loads(file.read(_SIZE))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) and about.get("asdcore") == "writes here" else {}


def in_words(about: dict[str, Any]) -> str:
    """Say which process holds a folder."""
    return "" if not about else f": process {about.get('process')} on {about.get('host')}, since {about.get('since')}"


def lives_elsewhere(lock: Lock, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return who holds a lock file that this process has locked, too; nothing if whoever wrote it has ended.

    It is so only if the system's lock cannot tell: the writer ran under another kernel, or there are no locks.
    """
    before = holder(lock.path)
    if not before or (lock.sure and before.get("kernel") == kernel()):
        return {}
    for _ in range(round(WATCHED)):
        sleep(1.0)
        if (now := holder(lock.path)) != before:
            return now
    return {}


def kernel() -> str:
    """Return what tells this start of this machine from every other, "" if the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
