"""The epochs of a training: kept one by one, so that a killed one goes on to the same bits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from asdcore import DataError
from asdcore_plugins.trained.batches import Batches
from asdcore_plugins.trained.learner import Learner

MEASURED = 2
"""The step, counted from 1, whose time says what all will cost: the first also sets libraries up."""


class Watch(Protocol):
    """What keeps and shows a training (``asdcore.contract.training.Training``)."""

    device: str | None

    def resume(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return how many epochs are done, and what was kept."""
        ...

    def keep(self, epoch: int, epochs: int, state: Mapping[str, Any], loss: float) -> None:
        """Keep an epoch."""
        ...

    def step(self, done: int, of: int, loss: float) -> None:
        """Show a step."""
        ...

    def cost(self, steps: int, seconds_per_step: float) -> None:
        """Say what it will cost."""
        ...

    def note(self, text: str) -> None:
        """Say what a person should know."""
        ...


@dataclass
class Epochs:
    """Trains for some epochs.

    learner : its network, loss and optimizer. batches : of train clips. epochs : how many. size : clips of a batch;
    halved when there is too little memory, and then what ran.
    """

    learner: Learner
    batches: Batches
    epochs: int
    size: int
    device: torch.device

    def run(self, watch: Watch | None) -> None:
        """Train to the end, from the last epoch that was kept.

        Raises
        ------
        DataError
            If the loss is not finite, or two clips at a time do not fit into memory.
        """
        done = 0
        kept = watch.resume() if watch else None
        if kept is not None:
            done, state = kept
            self._load(state)
        state = self._state()
        while done < self.epochs:
            try:
                loss = self._epoch(done + 1, watch)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_memory(error):
                    raise
                self._load(state)
                self._halve(watch, str(error).splitlines()[0])
                continue
            done, state = done + 1, self._state()
            if watch:
                watch.keep(done, self.epochs, state, loss)

    def _epoch(self, epoch: int, watch: Watch | None) -> float:
        """Run one epoch, counted from 1; returns its mean loss."""
        self.learner.begin(epoch)
        count, total = self.batches.count(self.size), 0.0
        clips, began = 0, _now(self.device)
        for i, (wave, labels) in enumerate(self.batches.epoch(epoch, self.size), start=1):
            loss = self.learner.step(wave.to(self.device), labels.to(self.device))
            total, clips = total + loss * len(wave), clips + len(wave)
            ended = _now(self.device)
            if watch:
                if i == min(MEASURED, count) and epoch == 1:
                    watch.cost(count * self.epochs, ended - began)
                watch.step((epoch - 1) * count + i, count * self.epochs, loss)
            began = _now(self.device)
        return total / clips

    def _halve(self, watch: Watch | None, reason: str) -> None:
        if self.size < 4:
            raise DataError(f"a batch of {self.size} clips does not fit into memory ({reason}): shorten seconds")
        self.size //= 2
        if watch:
            watch.note(f"batch halved to {self.size}: out of memory")

    def _state(self) -> dict[str, Any]:
        return {**self.learner.state(), "batch": self.size}

    def _load(self, state: Mapping[str, Any]) -> None:
        self.learner.load_state(state)
        self.size = int(state["batch"])


def _now(device: torch.device) -> float:
    """Return CPU seconds of this thread, or seconds if a device does the work."""
    return time.thread_time() if device.type == "cpu" else time.perf_counter()


def _is_memory(error: BaseException) -> bool:
    """Whether an error is of too little memory: on the CPU torch has no class for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
