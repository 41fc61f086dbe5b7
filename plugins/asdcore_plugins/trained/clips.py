"""Train clips as the parts of a training see them: what is said of them, their sound, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class LabelledClips(Protocol):
    """What classes are made of, one entry a train clip: text, and "" for an attribute that is absent."""

    @property
    def machine(self) -> Sequence[str]:
        """Machine of each clip."""
        ...

    @property
    def section(self) -> Sequence[str]:
        """Section of each clip, as in its name: "00"."""
        ...

    @property
    def domain(self) -> Sequence[str]:
        """Domain of each clip: "source" or "target"."""
        ...

    @property
    def attributes(self) -> Sequence[str]:
        """Attribute of each clip, all of it as one text."""
        ...


class HeardClips(Protocol):
    """Train clips of which only the sound matters."""

    @property
    def sample_rate(self) -> int:
        """Hz of the sound."""
        ...

    @property
    def n_samples(self) -> Sequence[int]:
        """The length of each clip."""
        ...

    def __len__(self) -> int: ...

    def audio(self, i: int) -> NDArray[np.float32]:
        """(n_samples,) of clip i."""
        ...


class Clips(LabelledClips, HeardClips, Protocol):
    """What ``fit`` is given (``asdcore.contract.training.TrainClips``)."""
