"""FISHER's checkpoints and first tokens: the network that a file holds, and what enters its blocks.

The blocks are those of EAT. Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.eat import STUDENT, is_fisher
from asdcore_plugins.nn.front_ends import band_split
from asdcore_plugins.nn.vit import ViT

HEADS = {192: 3, 256: 4, 384: 6}
"""Attention heads of the official models, tiny, mini and small, by width."""

FLOOR, MEAN, STD = 1e-10, -3.017344307886898, 2.1531635155379805
"""What is added to a magnitude before its logarithm; how that is normalized."""

WIDTH, PATCH, ROWS = 100, 16, 6
"""Bins of a band, about 4 kHz; side of a patch; patches above one another in a band: its last 4 bins fill none."""

FIXED = {
    "band_width": WIDTH,
    "layer_norm_first": False,
    "norm_eps": 1e-6,
    "norm_affine": True,
}
"""What the network here is made for, of ``cfg["model"]``; what a file does not say is taken to be so."""

FIXED_IMAGE = {"num_extra_tokens": 1, "in_chans": 1, "patch_size": PATCH, "prenet_depth": 0, "use_alibi_encoder": False}
"""The same of ``cfg["model"]["modalities"]["image"]``."""


def first_tokens(net: ViT, spectrogram: Tensor) -> Tensor:
    """(n_clips, frames, bins) -> what enters the first block, (n_clips * n_bands, 1 + time * 6, dim).

    A last band that is not full is left out. A patch has the position of its running number, as the authors give it,
    though their table was made for 50 rows.
    """
    n_bands = spectrogram.shape[2] // WIDTH
    patches = net.patch_embed(band_split.as_items(spectrogram[:, :, : n_bands * WIDTH], WIDTH)).flatten(1, 2)
    patches = patches + net.tables["pos_embed"][:, : patches.shape[1]]
    x: Tensor = net.norms["pre_norm"](vit.prepended(net.tables["cls_token"], patches))
    return x


def longest(net: ViT) -> int:
    """Return for how many frames there are positions."""
    positions: int = net.tables["pos_embed"].shape[1]
    return positions // ROWS * PATCH


def network(content: Any, *, where: str, num_heads: int | None = None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    cfg, state = (checkpoints.entry(content, key, where=where) for key in ("cfg", "model"))
    config = checkpoints.entry(cfg, "model", where=f"{where} in its cfg")
    if not is_fisher(content):
        raise DataError(
            f"{where} has no band_width in its cfg, as every file of FISHER has. If it is a file of EAT, name the "
            "encoder eat."
        )
    check_config(config, where)
    patch_embed, positions = (
        checkpoints.translated(name, STUDENT) for name in ("patch_embed.proj.weight", "tables.pos_embed")
    )
    heads = config.get("num_heads") if num_heads is None else num_heads
    size = vit.size_of(state, where=where, num_heads=heads, official=HEADS, patch_embed=patch_embed)
    n_positions = checkpoints.shape(state, positions, 3, where=where)[1]
    tables = {"cls_token": (1, 1, size.dim), "pos_embed": (1, n_positions, size.dim)}
    with torch.device("meta"):
        norms = {"pre_norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        model = vit.ViT(size, tables=tables, norms=norms, post_norm=True)
    checkpoints.fit(model, state, where=where, names=STUDENT)
    return model


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Raise DataError if ``cfg["model"]`` describes a network that no official checkpoint has."""
    modalities = config.get("modalities")
    image = modalities.get("image") if isinstance(modalities, Mapping) else None
    parts = ((config, FIXED), (image if isinstance(image, Mapping) else {}, FIXED_IMAGE))
    odd = [
        f"{key} = {given[key]!r} instead of {value!r}"
        for given, fixed in parts
        for key, value in fixed.items()
        if key in given and given[key] != value
    ]
    if odd:
        raise DataError(f"{where} has a cfg unlike that of every official checkpoint: {', '.join(odd)}.")
