"""What an encoder that is asked to be exact must keep to: float64 from the waveform to the tokens.

Two processors that compute a network in float32 differ in most values, by some 1e-7 of the largest; in float64 by some
1e-14, which a rounding to 16 bits nearly always hides. One step in float32 on the way would undo that.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

import torch
from torch import Tensor

from asdcore import PluginError

_INSTEAD = "leave exact out, or take an encoder whose network asdcore computes itself, for example efficientat or beats"


def refuse(what: str, why: str) -> NoReturn:
    """Refuse ``exact = true`` for what cannot be computed in float64; raises ValueError that says why."""
    raise ValueError(f"exact = true is not possible for {what}: {why}. Instead, {_INSTEAD}.")


@contextlib.contextmanager
def explained(encoder: str) -> Iterator[None]:
    """Say in plain words that a network fails in float64, if it does; raises PluginError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError) as error:
        if not re.search(r"dtype|double|float|scalar type", str(error), re.IGNORECASE):
            raise
        reason = str(error).splitlines()[0]
        raise PluginError(
            f"exact = true is not possible for {encoder}: its network fails in float64 ({reason}). Instead, {_INSTEAD}."
        ) from error


def check_float64(parts: Mapping[int | str, tuple[Tensor, Tensor | None]]) -> None:
    """Raise TypeError if the tokens of a layer came out in another type: some step on the way was not float64."""
    for layer, tensors in parts.items():
        for tensor in tensors:
            if tensor is not None and tensor.dtype != torch.float64:
                raise TypeError(f"layer {layer!r} comes out as {tensor.dtype}")
