"""Copies weights by their names: our own, or those that ASDKit's state dictionaries give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def load_named(own: Mapping[str, Tensor], weights: Mapping[str, Any]) -> None:
    """Copy weights into the tensors of the same names; other names among the weights are left alone.

    Parameters
    ----------
    own : mapping of name to tensor
        What is written to.
    weights : mapping of name to array or tensor

    Raises
    ------
    ValueError
        If a weight is missing, or has another shape. Nothing is written then.
    """
    missing = sorted(own.keys() - weights.keys())
    if missing:
        raise ValueError(f"weights are missing: {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}")
    values = {name: _tensor(weights[name]) for name in own}
    for name, value in values.items():
        if value.shape != own[name].shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}; this one takes {tuple(own[name].shape)}")
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def load_same(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy what a training has changed into the tensors of the same names; raises ValueError if other names are there.

    Parameters
    ----------
    own : mapping of name to tensor
        What is written to.
    state : mapping of name to tensor
    """
    if odd := sorted(own.keys() ^ state.keys()):
        raise ValueError(f"the weights are of another network: {', '.join(odd[:5])} is not in both")
    load_named(own, state)


def _tensor(values: Any) -> Tensor:
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
