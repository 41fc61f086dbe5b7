"""Batches of train clips: shuffled, and every clip repeated or cut to one length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.trained.clips import HeardClips
from asdcore_plugins.trained.generators import generator

Audio = NDArray[np.float32]


class Batches:
    """The batches of an epoch.

    A clip shorter than ``length`` is repeated until it is at least as long. Of what is longer, a stretch is taken,
    whose start is drawn anew in every epoch. A last batch of one clip joins the batch before it: one clip has no
    variance to be normalized by.

    Parameters
    ----------
    clips : HeardClips
        At least two.
    classes : (n_clips,) int64
        The class of each clip.
    n_classes : int
    length : int
        Samples of every clip of a batch.
    seed : int
        Of the training.
    """

    def __init__(self, clips: HeardClips, classes: NDArray[np.int64], n_classes: int, length: int, seed: int) -> None:
        if len(clips) < 2:
            raise DataError(f"{len(clips)} train clip cannot be trained on: a batch needs at least two")
        self._clips, self._classes, self._n_classes = clips, torch.from_numpy(classes), n_classes
        self._length, self._seed = length, seed
        self._space = torch.empty(0, length)

    def rows(self, epoch: int, size: int) -> list[list[int]]:
        """Return which clips each batch of an epoch has, in order."""
        order = torch.randperm(len(self._clips), generator=generator(self._seed, "order", epoch)).tolist()
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [batches[-2] + batches[-1]]
        return batches

    def count(self, size: int) -> int:
        """Return how many batches an epoch has."""
        full, rest = divmod(len(self._clips), size)
        return max(1, full + (rest > 1))

    def epoch(self, epoch: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield waves (batch, length), in memory that the next batch overwrites, and one-hot labels."""
        draws = generator(self._seed, "crop", epoch)
        for rows in self.rows(epoch, size):
            if len(self._space) < len(rows):
                self._space = torch.empty(len(rows), self._length)
            wave = self._space[: len(rows)]
            for i, place in zip(rows, wave.numpy(), strict=True):
                fill(place, self._clips.audio(i), draws)
            yield wave, torch.nn.functional.one_hot(self._classes[rows], self._n_classes).float()


def fill(place: Audio, clip: Audio, draws: torch.Generator | None = None) -> None:
    """Write a clip into ``place`` (length,): repeated if it is shorter, then cut, from a drawn start or from its own.

    Examples
    --------
    >>> place = np.zeros(7, np.float32)
    >>> fill(place, np.arange(3, dtype=np.float32))
    >>> place
    array([0., 1., 2., 0., 1., 2., 0.], dtype=float32)
    """
    if clip.ndim != 1 or not len(clip):
        raise DataError(f"audio of shape {clip.shape} holds no sound to train on: it must be (n_samples,)")
    beyond = -len(place) % len(clip) if len(clip) < len(place) else len(clip) - len(place)
    start = int(torch.randint(beyond + 1, (1,), generator=draws)) if draws is not None and beyond else 0
    done = 0
    while done < len(place):
        part = clip[start : start + len(place) - done]
        place[done : done + len(part)] = part
        done, start = done + len(part), 0
