"""What is asked of a view and an encoder: which layers of which clips, pooled how, and where the features go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdcore.portfolio import TrainedState

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Output:
    """One feature set to fill: a layer (None: the encoder's last), how to pool it, and the folder of its shards."""

    layer: int | str | None
    pooling: str
    pooling_parameters: str
    folder: Path


@dataclass(frozen=True)
class Request:
    """All outputs that are asked of one view and one encoder. Parameters are JSON texts.

    trained : what the encoder has learnt, if it is trained.
    """

    view: str
    view_parameters: str
    encoder: str
    encoder_parameters: str
    outputs: tuple[Output, ...]
    trained: TrainedState | None = None


Features = dict[Output, Array]
