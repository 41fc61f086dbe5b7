"""Keeps freed memory in the process, so that the next clip's arrays need no new pages.

The C library gives a large array back to the system when it is freed, and asks for new pages for the next one. Each of
these pages costs a fault, and is filled with zeros: for clips of some seconds that takes as long as their spectra.
"""

from __future__ import annotations

import functools

import numpy as np

KEPT = 1 << 24
"""Bytes of the largest array whose memory is kept, 16 MiB; twice as much may lie free."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep memory for arrays of up to 16 MiB; once for a process.

    glibc raises its limits to the size of the largest block that was ever given back, so one is given back: of its
    pages none is touched. Other C libraries ignore it.

    References
    ----------
    mallopt(3), M_MMAP_THRESHOLD: the dynamic threshold.
    """
    np.empty(KEPT, np.uint8)
