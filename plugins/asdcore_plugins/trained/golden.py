"""Weights by the names that ASDKit's state dictionaries give them, so that what it trained can be loaded."""

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


def _tensor(values: Any) -> Tensor:
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
