"""ECHO's checkpoints and first tokens: the network that a file holds, and what enters its blocks.

Importing this module imports torch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from asdcore import DataError
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends import band_split
from asdcore_plugins.nn.vit import ViT

HEADS = {192: 3, 384: 6}
"""Attention heads of the official models, tiny and small, by width."""

FLOOR, MEAN, STD = 1e-9, -5.874158, 5.223174
"""What is added to a magnitude before its logarithm; how that is normalized."""

WIDTH, PATCH = 32, 16
"""Bins of a band; frames of a patch, which is as high as a band."""

SCALE, PERIOD = 25.0, 10000.0
"""Of the code of a band's place."""

NAMES = (
    (r"^tables\.", ""),
    (r"^norms\.", ""),
    (r"^blocks\.", "encoder.layers."),
    (r"\.attn\.qkv\.", ".self_attn.in_proj_"),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.fc([12])\.", r".linear\1."),
)
"""How the network's names become the checkpoint's, which are those of torch's own TransformerEncoder."""


def first_tokens(net: ViT, spectrogram: Tensor, n_fft: int) -> Tensor:
    """(n_clips, frames, bins) -> what enters the first block, (n_clips * n_bands, 1 + time, dim).

    Zeros complete the last band below its bins, and the last patch after its frames.
    """
    frames, bins = spectrogram.shape[1:]
    filled = pad(spectrogram, (0, 0, 0, -frames % PATCH))
    whole = bins - bins % WIDTH
    filled = torch.cat([filled[:, :, :whole], pad(filled[:, :, whole:], (-bins % WIDTH, 0))], dim=2)
    patches = net.patch_embed(band_split.as_items(filled, WIDTH).transpose(1, 2)).flatten(1, 2)
    patches = patches + net.tables["pos_embed"][:, 1 : 1 + patches.shape[1]]
    x = vit.prepended(net.tables["cls_token"], patches)
    place = torch.tensor(places(bins, n_fft, x.shape[2]), dtype=x.dtype).to(x.device)
    return x + place.repeat(len(spectrogram), 1)[:, None]


@functools.cache
def places(bins: int, n_fft: int, dim: int) -> tuple[tuple[float, ...], ...]:
    """Return the code of the place of every band, (n_bands, dim): sines and cosines by turns (arXiv 2508.14689).

    A place is the centre of the bins that a band has, as a fraction of half the sample rate. Sines are those of
    Python's ``math``, whose last bit does not depend on the processor.

    Examples
    --------
    >>> [round(value, 3) for value in places(bins=33, n_fft=64, dim=2)[1]]
    [-0.132, 0.991]
    """
    rates = [math.exp(-2 * i * math.log(PERIOD) / dim) for i in range(dim // 2)]
    codes = []
    for start in range(0, bins, WIDTH):
        centre = (start + min(start + WIDTH, bins) - 1) / 2
        angles = [SCALE * (2 * centre / n_fft) * rate for rate in rates]
        codes.append(tuple(wave(angle) for angle in angles for wave in (math.sin, math.cos)))
    return tuple(codes)


def longest(net: ViT) -> int:
    """Return for how many frames there are positions; the first is the class token's and stays unused."""
    positions: int = net.tables["pos_embed"].shape[1]
    return (positions - 1) * PATCH


def network(content: Any, *, where: str, num_heads: int | None = None, norm_eps: float = 1e-5) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    state = content["encoder"] if isinstance(content, Mapping) and "encoder" in content else content
    if isinstance(state, Mapping) and "encoder.layers.0.self_attn.grep_a" in state:
        raise DataError(f"{where} is a checkpoint of BEATs, not of ECHO. Name the encoder beats.")
    patch = checkpoints.shape(state, "patch_embed.proj.weight", 4, where=where)[2:]
    if patch != (WIDTH, PATCH):
        raise DataError(f"{where} has patches of {patch} (bins, frames), where ECHO has {(WIDTH, PATCH)}.")
    size = vit.size_of(
        state, where=where, num_heads=num_heads, official=HEADS, blocks="encoder.layers.", mlp="linear1.weight"
    )
    n_positions = checkpoints.shape(state, "pos_embed", 3, where=where)[1]
    tables = {"cls_token": (1, 1, size.dim), "pos_embed": (1, n_positions, size.dim)}
    with torch.device("meta"):
        norms = {"norm": torch.nn.LayerNorm(size.dim, norm_eps)}
        model = vit.ViT(size, tables=tables, norms=norms, post_norm=True)
    checkpoints.fit(model, state, where=where, names=NAMES)
    return model
