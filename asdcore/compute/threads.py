"""Limits libraries to one thread, so that the way a sum is split over threads changes no bit of a result.

More cores are used by more workers, which changes no bit either. Some libraries count threads for the whole process
(BLAS, torch), some for each thread that calls them (OpenMP). Both are set to one, and reset afterwards.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from asdcore.basics.cores import cores
from asdcore.compute.freed_memory import keep_freed_memory

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that a library reads when it is loaded."""


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute on one thread inside the block. Several threads may be inside: the last to leave resets the process.

    A library that is loaded inside computes on one thread, too, until then. Memory that is freed stays in the process.
    Libraries are searched for, which takes milliseconds, only if modules came since the last search; a block within a
    block of the same thread costs nothing.
    """
    if getattr(_this_thread, "is_inside", False):
        yield
        return
    keep_freed_memory()
    own = _process.enter()
    _this_thread.is_inside = True
    try:
        yield
    finally:
        _this_thread.is_inside = False
        _process.leave(own)


@dataclass
class _Own:
    """The state to reset for one thread: its limit, and the OpenMP libraries that were loaded when it came in."""

    limit: Any
    loaded: set[str]


@dataclass
class _Process:
    """The settings before the first thread came in, kept until the last has left."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: int = 0
    environment: dict[str, str | None] = field(default_factory=dict)
    blas: dict[str, int] = field(default_factory=dict)
    torch: int | None = None

    def enter(self) -> _Own:
        """Set every library to one thread."""
        from threadpoolctl import get_cached_controller

        with self.lock:
            # Only if it is loaded: importing torch takes seconds, and many scorers do not need it.
            torch = _torch()
            if not self.inside:
                self.environment = {name: os.environ.get(name) for name in VARIABLES}
                self.torch = torch.get_num_threads() if torch else None
                self.blas = {}
                os.environ.update(dict.fromkeys(VARIABLES, "1"))
            self.inside += 1
            loaded = get_cached_controller()
            openmp = loaded.select(user_api="openmp")
            own = _Own(openmp.limit(limits=1), {library.filepath for library in openmp.lib_controllers})
            for library in loaded.select(user_api="blas").lib_controllers:
                self.blas.setdefault(library.filepath, library.num_threads)
                _set_blas(library, 1)
            if torch:
                torch.set_num_threads(1)
                # torch sets a thread's count when the thread first asks for it; without this, after it has left.
                torch.get_num_threads()
            return own

    def leave(self, own: _Own) -> None:
        """Reset this thread, and with the last thread the process."""
        from threadpoolctl import get_cached_controller

        with self.lock:
            own.limit.restore_original_limits()
            self.inside -= 1
            loaded = get_cached_controller()
            for library in loaded.select(user_api="openmp").lib_controllers:
                if library.filepath not in own.loaded:
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
        """Return how many threads a library that was loaded inside would have used."""
        asked = next((value for value in self.environment.values() if value and value.isdecimal()), "0")
        return int(asked) or cores()


def _set_blas(library: Any, threads: int) -> None:
    """Set the thread count of a BLAS for the process, from any thread.

    threadpoolctl lets only the thread that set it first set it again, and silently ignores all others.
    """
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)
    library.set_num_threads(threads)
    release(force=True)


def _torch() -> Any:
    """Return torch if it is loaded completely, else None."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_num_threads") and hasattr(torch, "get_num_threads") else None


_process = _Process()
_this_thread = threading.local()
