"""CED's checkpoints: the network that a file holds, in either form. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from asdcore import DataError
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends.mel64 import BANDS, other_tensors
from asdcore_plugins.nn.vit import ViT

HEADS = {192: 3, 256: 4, 384: 6, 768: 12}
"""Attention heads of the official models, tiny, mini, small and base, by width."""

PATCH = 16
"""Side of a patch in frames and mel bands."""

HUB = ((r"^(tables|norms)\.", ""), (r"^", "encoder."))
ORIGINAL = ((r"^norms\.init_bn\.", "init_bn.1."), (r"^(tables|norms)\.", ""))
"""How the network's names become the checkpoint's: those of the Hugging Face Hub, and of Zenodo."""

NOT_ENCODER = ("outputlayer.", "front_end.")
"""What checkpoints hold besides: the classifier, and of Zenodo's the window and the filter bank."""


def network(content: Any, *, where: str, num_heads: int | None = None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    state = checkpoints.weights(content)
    names = _names(state, where)
    patch_embed, blocks, time = (
        checkpoints.translated(name, names) for name in ("patch_embed.proj.weight", "blocks.", "tables.time_pos_embed")
    )
    if (patch := checkpoints.shape(state, patch_embed, 4, where=where)[2:]) != (PATCH, PATCH):
        raise DataError(
            f"{where} has patches of {patch} (bands, frames), where CED has {(PATCH, PATCH)}. If it is a file of "
            "Dasheng, name the encoder dasheng."
        )
    size = vit.size_of(state, where=where, num_heads=num_heads, official=HEADS, patch_embed=patch_embed, blocks=blocks)
    if names is ORIGINAL and (others := other_tensors(state, where)):
        raise DataError(f"{where} was trained with another front end than CED's own: {', '.join(others)}.")
    positions = checkpoints.shape(state, time, 4, where=where)[3]
    tables = {"time_pos_embed": (1, size.dim, 1, positions), "freq_pos_embed": (1, size.dim, BANDS // PATCH, 1)}
    with torch.device("meta"):
        norms = {"init_bn": torch.nn.BatchNorm1d(BANDS), "norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        model = vit.ViT(size, tables=tables, norms=norms)
    checkpoints.fit(model, state, where=where, names=names, ignore=NOT_ENCODER)
    return model


def _names(state: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Return how names become those of a checkpoint, by its table of time positions, whose name is in no other file."""
    for names in (HUB, ORIGINAL):
        if isinstance(state, Mapping) and checkpoints.translated("tables.time_pos_embed", names) in state:
            return names
    raise DataError(
        f"{where} has no tensor encoder.time_pos_embed or time_pos_embed; it holds {checkpoints.contents(state)}. "
        "The scorer ced, cluster exit detection, is another thing and needs no checkpoint."
    )
