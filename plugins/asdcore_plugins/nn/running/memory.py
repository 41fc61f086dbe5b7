"""How much goes through a network at once: as long a clip, and as many clips, as fit into the memory of its device.

A clip or window that alone would take more than a network may is refused before the work. The first clip of a length
goes alone, and what it takes tells how many go together. Where that was too many after all, the number is halved, and
the work goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from asdcore import DataError

Clip = TypeVar("Clip")

ON_CPU = 400_000_000
"""Bytes that one clip may take on its way through a network, beside the network itself: so a run stays below 1 GB."""

ELSEWHERE = 4_000_000_000
"""The same on another device, whose memory is its own."""

SHARE = 0.7
"""The part of the free memory that is used; the rest is for what the allocator cannot join together."""

MOST = 256
"""Clips that go together at most: beyond it a network gains nothing."""


def seconds_that_fit(device: torch.device, per_second: float, by_square: float = 0.0) -> float:
    """Return of how many whole seconds a clip may be that goes through a network at once.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    per_second : float
        Bytes of its largest maps, by the seconds of a clip, in float32. ``exact`` takes twice as many.
    by_square : float
        Bytes of its attention, by the square of the seconds. The larger of the two counts.

    Returns
    -------
    float
        Less than 1 s is not rounded.

    Examples
    --------
    >>> seconds_that_fit(torch.device("cpu"), 16e6), seconds_that_fit(torch.device("cpu"), 16e6, 1e6)
    (25.0, 20.0)
    """
    allowed = ON_CPU if device.type == "cpu" else ELSEWHERE
    fits = min(allowed / per_second, math.sqrt(allowed / by_square) if by_square else math.inf)
    return float(math.floor(fits)) if fits >= 1.0 else fits


class Portions:
    """Splits clips into portions for a device. On the CPU each clip is a portion of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._at_once: dict[tuple[int, ...], int] = {}

    def run(self, prepared: Sequence[Tensor], work: Callable[[Tensor], list[Clip]]) -> list[Clip]:
        """Call ``work`` with portions of what is prepared, (1, ...) each; returns its results, one a clip, in order."""
        return [clip for alike in _alike(prepared) for clip in self._run(alike, work)]

    def _run(self, alike: Sequence[Tensor], work: Callable[[Tensor], list[Clip]]) -> list[Clip]:
        """Run clips of one shape; raises DataError where one alone takes more memory than there is."""
        shape, done = tuple(alike[0].shape), list[Clip]()
        while len(done) < len(alike):
            together = alike[len(done) : len(done) + self._at_once.get(shape, 1)]
            before = self._taken()
            clips = self._tried(together, work)
            if clips is not None:
                done += clips
                if shape not in self._at_once:
                    self._at_once[shape] = self._room(before)
                continue
            if len(together) == 1:
                raise DataError(
                    f"a clip alone takes more memory than {self.device} has left. Free it of other work, cut the "
                    "clip, or run with --device cpu."
                )
            self._at_once[shape] = len(together) // 2
            torch.cuda.empty_cache()
        return done

    def _tried(self, clips: Sequence[Tensor], work: Callable[[Tensor], list[Clip]]) -> list[Clip] | None:
        """Run clips together; returns None if they take more memory than there is.

        Whatever they held is free after that, which it is not as long as the error is being handled.
        """
        try:
            return work(self._moved(clips))
        except torch.OutOfMemoryError:
            return None

    def _moved(self, clips: Sequence[Tensor]) -> Tensor:
        """Join clips into one tensor on the device; from pinned memory, where that is faster."""
        batch = torch.cat(list(clips))
        if self.device.type == "cuda":
            return batch.pin_memory().to(self.device, non_blocking=True)
        return batch.to(self.device)

    def _taken(self) -> int:
        """Return the bytes that are allocated, and begin to watch their peak."""
        if self.device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def _room(self, before: int) -> int:
        """Return for how many clips like the one just run there is room: 1 if the device does not tell."""
        if self.device.type != "cuda":
            return 1
        taken = max(1, torch.cuda.max_memory_allocated(self.device) - before)
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(1, min(MOST, int(SHARE * free / taken)))


def _alike(prepared: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield runs of neighbours that have one shape."""
    alike: list[Tensor] = []
    for clip in prepared:
        if alike and clip.shape != alike[0].shape:
            yield alike
            alike = []
        alike.append(clip)
    if alike:
        yield alike
