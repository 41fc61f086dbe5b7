"""Ends a process that is done, though a thread of a plugin goes on.

Python waits at its end for every thread that is no daemon. One that never ends, such as a plugin's that uploads or
listens, would keep a command that is done from ending for ever.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

PATIENCE = 10.0
"""Seconds that a process may take to end when its work is done: for threads, and for what libraries clean up."""


def end_in_time(code: int = 0) -> None:
    """See to it, from a thread of its own, that this process ends soon. Call it when all work is done.

    code : the exit code, if Python does not come to its end.
    """
    threading.Thread(target=_end, args=(code,), daemon=True).start()


def _end(code: int) -> None:
    waited_for = [thread for thread in threading.enumerate() if not thread.daemon]
    threading.Event().wait(PATIENCE)
    going_on = {thread.name for thread in waited_for if thread.is_alive() and thread is not threading.main_thread()}
    names = ", ".join(sorted(going_on)[:3]) + ", ..." * (len(going_on) > 3)
    why = f"a plugin has left threads that go on ({names}), and should end them" if names else "a library does not end"
    say(f"Warning: {why}. All work was done {PATIENCE:.0f} s ago: this process ends without waiting any longer.")
    os._exit(code)


def say(text: str) -> None:
    """Write a line to stderr, if it is open and somebody reads it."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
