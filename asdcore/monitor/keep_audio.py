"""Keeps the sound before an alarm: the last seconds are in memory, and become a file when an alarm begins."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.store.disk.atomic import atomic_path

Sound = NDArray[np.float32]


@dataclass
class AudioKept:
    """The last seconds of sound.

    Parameters
    ----------
    folder : pathlib.Path
        Gets ``alarm-0001.wav`` and so on: 32-bit floating point, all channels.
    seconds : float
        How much sound before the end of the window that raised the alarm; 0 keeps none.
    """

    folder: Path
    seconds: float
    _blocks: deque[Sound] = field(default_factory=deque)
    _n: int = 0
    _rate: int = 0

    def hear(self, sound: Sound, rate: int) -> None:
        """Take in new sound (n_channels, n_samples), and forget what is older than wanted."""
        if not self.seconds:
            return
        if self._blocks and (rate != self._rate or len(sound) != len(self._blocks[0])):
            self._blocks.clear()
            self._n = 0
        self._rate = rate
        self._blocks.append(sound.copy())
        self._n += sound.shape[1]
        while self._blocks and self._n - self._blocks[0].shape[1] >= self.seconds * rate:
            self._n -= self._blocks.popleft().shape[1]

    def keep(self, alarm: int, rest: Sound) -> dict[str, Any]:
        """Write the sound up to the end of the window, whose last samples are ``rest``; returns where it is.

        Raises StoreError if it cannot be written.
        """
        if not self.seconds:
            return {}
        import soundfile

        sound = np.concatenate([*self._blocks, rest], axis=1)[:, -max(1, round(self.seconds * self._rate)) :]
        path = self.folder / f"alarm-{alarm:04d}.wav"
        try:
            with atomic_path(path) as part:
                soundfile.write(part, sound.T, self._rate, subtype="FLOAT", format="WAV")
        except soundfile.SoundFileError as error:  # of a full disk it says "System error"
            raise StoreError(f"Cannot write {path} ({str(error).strip(' .')}). Is the disk full?") from error
        return {"audio": str(path)}
