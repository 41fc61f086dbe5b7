"""The autoencoder of the official DCASE Task 2 baseline of 2023-2026: its vectors, its network, its training.

A vector is ``frames`` consecutive frames of a clip, one after the other. The network is fully connected, with 128 units
in a layer and 8 in the middle one:

    input-128-128-128-128-8-128-128-128-128-input

Every layer but the last, the middle one too, is followed by batch normalization (momentum 0.01, epsilon 1e-3) and a
ReLU. With 5 frames of 128 bands that makes 267,928 parameters, and 264,192 multiply-accumulates for a vector. It learns
to give back its input: mean squared error, Adam with a learning rate of 1e-3. ASDKit trains the same network by AdamW,
which also draws all weights towards 0, by a hundredth of the learning rate a step.

It may also be given all frames of a vector but one, and learn that one (:class:`Task`): the middle one, between its
neighbours, as an interpolation network does, or the last one.

Source: Harada et al., "First-shot anomaly detection for machine condition monitoring: a domain generalization
baseline", EUSIPCO 2023 (arXiv 2303.00455), and what the baseline's code does. For interpolation Suefusa, Nishida,
Purohit, Tanabe, Endo and Kawaguchi, "Anomalous sound detection based on interpolation deep neural network", ICASSP
2020, whose network is another one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asdcore import DataError

Floats32 = NDArray[np.float32]
Rows = NDArray[np.intp]

WIDTH, BOTTLENECK = 128, 8
MOMENTUM, EPSILON = 0.01, 1e-3
LEARNING_RATE = 1e-3
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
"""Kingma and Ba, ICLR 2015; with decoupled weight decay (0.01), Loshchilov and Hutter, ICLR 2019."""

PREDICTED = ("all", "middle", "last")


@dataclass(frozen=True)
class Task:
    """What a network is given of a vector of ``frames`` frames, and what it has to say.

    Attributes
    ----------
    frames : int
        Frames of a vector.
    predicts : str
        "all" frames, of the same ones; or the "middle" or the "last" one, of the others.

    Examples
    --------
    >>> given, wanted = Task(3, "middle").split(torch.arange(6.0)[None])
    >>> given.tolist(), wanted.tolist()
    ([[0.0, 1.0, 4.0, 5.0]], [[2.0, 3.0]])
    """

    frames: int = 5
    predicts: str = "all"

    def __post_init__(self) -> None:
        if self.predicts == "middle" and (self.frames < 3 or self.frames % 2 == 0):
            raise ValueError(f"predicts = 'middle' needs an odd number of frames from 3 on, got frames = {self.frames}")
        if self.predicts == "last" and self.frames < 2:
            raise ValueError(f"predicts = 'last' needs at least 2 frames, got frames = {self.frames}")

    @property
    def given(self) -> list[int]:
        """The places of the frames that the network is given."""
        return [place for place in range(self.frames) if self.predicts == "all" or place not in self.wanted]

    @property
    def wanted(self) -> list[int]:
        """The places of the frames that it has to say."""
        return {"middle": [self.frames // 2], "last": [self.frames - 1]}.get(self.predicts, [*range(self.frames)])

    def split(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """(n, frames * width) -> what is given (n, given * width), what is wanted (n, wanted * width)."""
        if self.predicts == "all":
            return vectors, vectors
        frames = vectors.reshape(len(vectors), self.frames, -1)
        return frames[:, self.given].flatten(1), frames[:, self.wanted].flatten(1)


WHOLE = Task()
"""A vector is to be given back, however many frames it has."""


def windows(features: Floats32, frames: int) -> Floats32:
    """(n_clips, time, ...) -> (n_clips, time - frames + 1, frames * ...): every run of ``frames`` frames, as a view.

    No frame is copied, so a bank takes no more memory than its features, and may be mapped from a file.
    """
    n_clips, time, *of_frame = features.shape
    flat = np.ascontiguousarray(features, np.float32).reshape(n_clips, time, math.prod(of_frame))
    shape = (n_clips, time - frames + 1, frames * flat.shape[2])
    return np.lib.stride_tricks.as_strided(flat, shape, (*flat.strides[:2], flat.itemsize), writeable=False)


def gather(vectors: Floats32, rows: Rows) -> Tensor:
    """Take rows of :func:`windows`, counted clip after clip: -> (len(rows), frames * ...) float32, a copy."""
    return torch.from_numpy(vectors[np.divmod(rows, vectors.shape[1])])


def batches(rows: Rows, size: int, draw: torch.Generator) -> Iterator[Rows]:
    """Yield the rows shuffled, ``size`` at a time; the last batch may be smaller."""
    order = torch.randperm(len(rows), generator=draw).numpy()
    for start in range(0, len(rows), size):
        yield rows[order[start : start + size]]


def network(dim: int, seed: int, out: int | None = None) -> nn.Sequential:
    """Return the untrained network, ``dim`` values to ``out`` or as many, with torch's usual weights for this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _layers(dim, out or dim)


def weightless(dim: int, out: int) -> nn.Sequential:
    """Return the network, ``dim`` values to ``out``, without its weights: they have shapes and take no memory."""
    with torch.device("meta"):
        return _layers(dim, out)


def weights(model: nn.Sequential) -> dict[str, Tensor]:
    """Return the parameters and running statistics of a network, without its counts of batches."""
    return {name: values for name, values in model.state_dict().items() if values.is_floating_point()}


def _layers(dim: int, wanted: int) -> nn.Sequential:
    sizes = [dim, *[WIDTH] * 4, BOTTLENECK, *[WIDTH] * 4]
    layers = [
        layer
        for inside, out in itertools.pairwise(sizes)
        for layer in (nn.Linear(inside, out), nn.BatchNorm1d(out, eps=EPSILON, momentum=MOMENTUM), nn.ReLU(True))
    ]
    return nn.Sequential(*layers, nn.Linear(WIDTH, wanted))


def train(
    vectors: Floats32,
    rows: Rows,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    optimizer: str = "adam",
    task: Task = WHOLE,
) -> nn.Sequential:
    """Train a network on these rows of :func:`windows`, ``epochs`` times in an order drawn anew; returns it frozen.

    The last weights are kept. The same rows in the same order and the same seed give the same bits. Raises DataError
    where the weights run away.
    """
    given, wanted = (part.shape[1] for part in task.split(torch.empty(1, vectors.shape[2], device="meta")))
    model, draw = network(given, seed, wanted).train(), torch.Generator().manual_seed(seed)
    # All parameters in one pass: updating them one by one takes a quarter of the time.
    steps = OPTIMIZERS[optimizer](model.parameters(), lr=LEARNING_RATE, fused=True)
    for _ in range(epochs):
        for batch in batches(rows, batch_size, draw):
            if len(batch) == 1:  # one vector has no variance to normalize by
                continue
            shown, hidden = task.split(gather(vectors, batch))
            steps.zero_grad()
            torch.autograd.backward(torch.nn.functional.mse_loss(model(shown), hidden))
            steps.step()
    if not all(bool(values.isfinite().all()) for values in model.state_dict().values()):
        raise DataError("the autoencoder's weights are not finite: the features hold values too large to train on")
    return model.eval().requires_grad_(False)
