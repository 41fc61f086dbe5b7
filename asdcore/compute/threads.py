"""One thread a computation: how a sum is split over threads must not reach the last bit of a result.

More cores are used by more workers, which changes no bit. Some libraries count threads for the whole process (BLAS,
torch), some for each thread that calls them (OpenMP). Both are set to one, and set back.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What a library reads when it is loaded."""


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute on one thread inside. Several threads may be inside at once: the last to leave sets the process back.

    A library that is loaded inside computes on one thread, too, until then.
    """
    own = _process.enter()
    try:
        yield
    finally:
        _process.leave(own)


@dataclass
class _Own:
    """What sets one thread back: its limit, and the OpenMP libraries that were loaded when it came in."""

    limit: Any
    known: set[str]


@dataclass
class _Process:
    """What the first thread inside found, kept until the last has left."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: int = 0
    environment: dict[str, str | None] = field(default_factory=dict)
    blas: dict[str, int] = field(default_factory=dict)
    torch: int | None = None

    def enter(self) -> _Own:
        """Set every library to one thread."""
        from threadpoolctl import ThreadpoolController

        with self.lock:
            # Only where it is loaded: importing torch takes seconds, and a scorer may do without.
            torch = _torch()
            if not self.inside:
                self.environment = {name: os.environ.get(name) for name in VARIABLES}
                self.torch = torch.get_num_threads() if torch else None
                self.blas = {}
                os.environ.update(dict.fromkeys(VARIABLES, "1"))
            self.inside += 1
            loaded = ThreadpoolController()
            openmp = loaded.select(user_api="openmp")
            own = _Own(openmp.limit(limits=1), {one.filepath for one in openmp.lib_controllers})
            for library in loaded.select(user_api="blas").lib_controllers:
                self.blas.setdefault(library.filepath, library.num_threads)
                _set_blas(library, 1)
            if torch:
                torch.set_num_threads(1)
                # torch gives a thread its count when that first asks, which would otherwise be after it left.
                torch.get_num_threads()
            return own

    def leave(self, own: _Own) -> None:
        """Set this thread back, and with the last thread the process."""
        from threadpoolctl import ThreadpoolController

        with self.lock:
            own.limit.restore_original_limits()
            self.inside -= 1
            loaded = ThreadpoolController()
            for library in loaded.select(user_api="openmp").lib_controllers:
                if library.filepath not in own.known:
                    library.set_num_threads(self._usual())
            if self.inside:
                return
            for library in loaded.select(user_api="blas").lib_controllers:
                _set_blas(library, self.blas.get(library.filepath, self._usual()))
            if torch := _torch():
                torch.set_num_threads(self.torch or self._usual())
            for name, value in self.environment.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def _usual(self) -> int:
        """Return how many threads a library would have taken that was loaded inside."""
        asked = next((value for value in self.environment.values() if value and value.isdecimal()), "0")
        return int(asked) or len(os.sched_getaffinity(0))


def _set_blas(library: Any, threads: int) -> None:
    """Set the count of a BLAS for the process, from whatever thread.

    threadpoolctl lets the thread that first set it alone set it again, and without a word ignores all others.
    """
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)
    library.set_num_threads(threads)
    release(force=True)


def _torch() -> Any:
    """Return torch where it is loaded, and not only begun to be."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_num_threads") and hasattr(torch, "get_num_threads") else None


_process = _Process()
