"""Lets a trainable encoder encode before there are clips, to count what it costs: it is trained on a little noise."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import numpy as np

from asdcore.components.build import build
from asdcore.contract.plugins import installed
from asdcore.contract.train_clips import About, ListedClips

EPOCHS = "epochs"
"""The parameter of an encoder that is set to 1, if it has one of this name."""

CLIPS = [
    About(machine, "00", "source", attributes)
    for machine in ("first", "second")
    for attributes in ("a", "b")
    for _ in range(2)
]


def encoder_that_encodes(name: str, parameters: Mapping[str, Any], seconds: float) -> Any:
    """Build an encoder; a trainable one is trained on eight clips of noise, for one epoch if it counts epochs.

    One that offers ``as_if_trained`` is not trained at all: that returns an encoder which encodes by its first weights.
    What it costs to encode a clip does not depend on what it was trained on.

    Parameters
    ----------
    name : str
        The encoder.
    parameters : mapping of str to object
        Its parameters.
    seconds : float
        Length of a clip.

    Returns
    -------
    Encoder
        One that encodes.
    """
    taken = signature(installed().component("encoder", name).factory).parameters
    encoder = build("encoder", name, parameters)
    if not callable(getattr(encoder, "fit", None)):
        return encoder
    if hasattr(encoder, "as_if_trained"):
        return encoder.as_if_trained()
    if EPOCHS in taken:
        encoder = build("encoder", name, {**parameters, EPOCHS: 1})
    n_samples = round(seconds * encoder.sample_rate)
    shape = (n_samples,) if getattr(encoder, "channels", 1) == 1 else (encoder.channels, n_samples)
    noise = np.random.default_rng(0)
    sound = [0.1 * noise.standard_normal(shape, dtype=np.float32) for _ in CLIPS]
    return encoder.fit(ListedClips.of(CLIPS, sound, encoder.sample_rate), 0)
