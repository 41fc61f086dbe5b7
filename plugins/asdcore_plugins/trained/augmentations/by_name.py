"""Augmentations by name, as a portfolio has them."""

from __future__ import annotations

from typing import Any

from asdcore_plugins.trained.augmentations.augmentation import Augmentation
from asdcore_plugins.trained.augmentations.featex import FeatEx
from asdcore_plugins.trained.augmentations.mixup import Mixup
from asdcore_plugins.trained.augmentations.noise import Noise
from asdcore_plugins.trained.augmentations.pitch import Pitch
from asdcore_plugins.trained.augmentations.specaug import SpecAug
from asdcore_plugins.trained.augmentations.speed import Speed
from asdcore_plugins.trained.augmentations.statex import StatEx
from asdcore_plugins.trained.choice import built

AUGMENTATIONS = {
    "featex": FeatEx,
    "mixup": Mixup,
    "noise": Noise,
    "pitch": Pitch,
    "specaug": SpecAug,
    "speed": Speed,
    "statex": StatEx,
}


def build_augmentation(name: str, **parameters: Any) -> Augmentation:
    """Build an augmentation by its name.

    Parameters
    ----------
    name : str
        One of :data:`AUGMENTATIONS`.
    **parameters
        Those of the augmentation.

    Returns
    -------
    Augmentation
        ``augmentation(values, labels, draws)`` returns both changed; ``augmentation.draw(shape, generator)`` makes the
        draws.

    Raises
    ------
    ValueError
        If there is no such augmentation, or a parameter is unknown or out of its range.

    Examples
    --------
    >>> import torch
    >>> mixup = build_augmentation("mixup", probability=1.0)
    >>> draws = mixup.draw((2, 3), torch.Generator().manual_seed(0))
    >>> blended, labels = mixup(torch.eye(2, 3), torch.eye(2), draws)
    >>> labels.sum(dim=1)
    tensor([1., 1.])
    """
    augmentation: Augmentation = built("augmentation", AUGMENTATIONS, name, parameters)
    return augmentation
