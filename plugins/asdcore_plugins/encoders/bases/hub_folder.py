"""The base of encoders of spectrograms whose checkpoint is a folder as the Hugging Face Hub has it."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from torch import nn

from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.running.windows import Windowed


class HubEncoder(Windowed):
    """An encoder by a module of the transformers library, which has a table of time positions.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; or the id of a registry entry.
    device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.
    """

    files = staticmethod(hub.files)
    model: Any

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "windows",
        exact: bool = False,
    ) -> None:
        saved, config, model = self._opened(checkpoint)
        super().__init__(model, device, autocast, exact)
        fits, window = self._configured(saved, config)
        self.reach(beyond, fits=fits, window=window)

    @abstractmethod
    def _opened(self, checkpoint: str | Path) -> tuple[hub.Snapshot, Any, nn.Module]:
        """Return the files of a checkpoint, the library's configuration, and the model with its weights."""

    @abstractmethod
    def _configured(self, saved: hub.Snapshot, config: Any) -> tuple[int, int]:
        """Set the front end and the layers as the files say; return how many samples fit, and a window has."""
