"""Keeps a training under way, epoch after epoch, and shows it: so a killed one goes on, and one sees how long it takes.

What is kept lies beside the trained state that it will become, ``<recipe>.epoch.safetensors``, and goes when that is
written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PluginError, StoreError
from asdcore.progress import doing, saying
from asdcore.store.fitted_state import read_state, write_state

KIND = "training"


@dataclass
class ResumableTraining:
    """One training under way, as :class:`asdcore.contract.training.Training` asks.

    path : where finished epochs are kept. where : what is trained, for messages. networks : of how many trainings it is
    one, and how many times its own clips they have together.
    """

    path: Path
    where: str
    device: str | None = None
    networks: tuple[int, float] = (1, 1.0)
    losses: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _epochs: int | None = None
    _began: tuple[float, int] | None = None

    def resume(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return how many epochs are done and what was kept of the last; None to begin anew."""
        if not self.path.exists():
            return None
        repair = f"Remove it with 'rm {self.path}' and run again: the training then begins anew."
        kept = read_state(self.path, repair)
        about = kept.about
        if about.get("kind") != KIND or about.get("recipe") != self.recipe or "state" not in kept.state:
            raise StoreError(f"{self.path} does not hold the training that its name says. {repair}")
        self.losses, self.notes = kept.state["losses"].tolist(), list(about["notes"])
        self._epochs = about["epochs"]
        doing(f"{self.where}: goes on after epoch {len(self.losses)} of {self._epochs}")
        return len(self.losses), kept.state["state"]

    @property
    def recipe(self) -> str:
        """The recipe of the trained state that this becomes."""
        return self.path.name.partition(".")[0]

    @property
    def curve(self) -> NDArray[np.float64]:
        """The loss of every finished epoch (epochs,)."""
        return np.array(self.losses, dtype=np.float64)

    def keep(self, epoch: int, epochs: int, state: Mapping[str, Any], loss: float) -> None:
        """Keep a finished epoch; raises DataError if its loss is not finite, PluginError if it is not the next one."""
        if epoch != len(self.losses) + 1 or epochs < epoch:
            raise PluginError(
                f"its training keeps epoch {epoch} of {epochs} after {len(self.losses)}: epochs are kept one by one, "
                "beginning with 1, and 'resume' tells how many are done."
            )
        self._check(loss, f"epoch {epoch} of {epochs}")
        self._epochs = epochs
        self.losses.append(float(loss))
        about = {"kind": KIND, "recipe": self.recipe, "epochs": epochs, "notes": self.notes}
        write_state(self.path, {"state": state, "losses": self.curve}, about)
        doing(f"{self.where}: epoch {epoch} of {epochs} done, loss {loss:.4g}")

    def step(self, done: int, of: int, loss: float) -> None:
        """Show progress after a batch; raises DataError if the loss is not finite."""
        self._check(loss, f"step {done} of {of}")
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        began, first = self._began
        left = f", {(now - began) / (done - first) * (of - done):.0f} s left" if done > first else ""
        last = f" of {self._epochs}" if self._epochs else ""
        doing(f"{self.where}: epoch {len(self.losses) + 1}{last}, step {done} of {of}, loss {loss:.4g}{left}")

    def cost(self, steps: int, seconds_per_step: float) -> None:
        """Say what this training will cost, and all that are like it."""
        hours = steps * seconds_per_step / 3600
        text = f"{self.where}: {steps:,} steps of {seconds_per_step:.3g} s, about {hours:.2g} CPU hours"
        count, times = self.networks
        saying(f"{text}; all {count} trainings about {hours * times:.2g}." if count > 1 else f"{text}.")

    def note(self, text: str) -> None:
        """Keep a note on the result, and show it."""
        if text not in self.notes:
            self.notes.append(text)
            saying(f"{self.where}: {text}")

    def remove(self) -> None:
        """Remove what was kept: the trained state is written."""
        self.path.unlink(missing_ok=True)

    def _check(self, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            kept = f"epoch {len(self.losses)} stays kept" if self.losses else "no epoch was finished"
            raise DataError(
                f"the loss is {loss} at {when}, so the training stopped ({kept}). A lower learning rate may help."
            )
