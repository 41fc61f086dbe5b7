"""Networks by name, as a portfolio has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from asdcore_plugins.trained.choice import built
from asdcore_plugins.trained.networks.beats_lora import BeatsLora
from asdcore_plugins.trained.networks.eat_lora import EatLora
from asdcore_plugins.trained.networks.multi_branch import MultiBranch

NETWORKS = {
    "beats_lora": BeatsLora,
    "eat_lora": EatLora,
    "multi_branch": MultiBranch,
}


def build_network(name: str, *, given: Mapping[str, Any] | None = None, **parameters: Any) -> nn.Module:
    """Build a network by its name.

    Weights are drawn from torch's default generator.

    Parameters
    ----------
    name : str
        One of :data:`NETWORKS`.
    given : mapping, optional
        Parameters that it gets if it has them: a trained encoder's checkpoint, sample rate and length of clips.
    **parameters
        Those of the network.

    Returns
    -------
    torch.nn.Module
        ``network(wave)`` gives embeddings (batch, ``network.dim``), made up of parts of ``network.branch_dims`` values;
        ``network.load_golden(weights)`` takes weights by ASDKit's names, ``network.golden()`` returns them.

    Raises
    ------
    ValueError
        If there is no such network, a parameter is unknown or out of its range, or clips are too short for it.

    Examples
    --------
    >>> network = build_network("multi_branch", n_samples=96000, stft=[1024], width=128)
    >>> sum(weight.numel() for weight in network.parameters())
    2430032
    >>> build_network("eat_lora", rank=64, alpha=8).dim
    256
    """
    network: nn.Module = built("network", NETWORKS, name, parameters, given)
    return network
