"""EAT's checkpoints and first tokens: the network that a file holds, and what enters its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.vit import ViT

HEADS = {768: 12, 1024: 16}
"""Attention heads of the official models, base and large, by width."""

MEAN, STD = -4.268, 4.569
PATCH, BANDS = 16, 8
"""Side of a patch in frames and mel bands; patches above one another."""

STUDENT = (
    (r"^patch_embed\.", "modality_encoders.IMAGE.local_encoder."),
    (r"^tables\.cls_token", "modality_encoders.IMAGE.extra_tokens"),
    (r"^tables\.pos_embed", "modality_encoders.IMAGE.fixed_positional_encoder.positions"),
    (r"^norms\.pre_norm\.", "modality_encoders.IMAGE.context_encoder.norm."),
    (r"^norms\.", ""),
)
_HUB = (
    (r"^patch_embed\.", "local_encoder."),
    (r"^tables\.cls_token", "extra_tokens"),
    (r"^tables\.pos_embed", "fixed_positional_encoder.positions"),
    (r"^norms\.", ""),
    (r"^", "model."),
)
FORMS: tuple[tuple[float, tuple[tuple[str, str], ...]], ...] = (
    (1e-5, _HUB),
    (1e-6, STUDENT),
    (1e-6, (*STUDENT, (r"^(?!fc_norm\.)", "model."))),
)
"""Epsilon of ``fc_norm``, and how the network's names become the file's: the Hub's, fairseq's, fairseq's fine-tuned."""

NOT_ENCODER = ("modality_encoders.IMAGE.decoder.", "_ema", "model.head.", "head.")
"""What checkpoints hold besides: the decoder of pre-training, the teacher, the classifier."""


def first_tokens(net: ViT, spectrogram: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """(n_clips, frames, 128) -> what enters the first block (n_clips, 1 + time * band, dim), and (time, band)."""
    grid = net.patch_embed(spectrogram)
    patches = grid.flatten(1, 2)
    patches = patches + net.tables["pos_embed"][:, : patches.shape[1]]
    x: Tensor = net.norms["pre_norm"](vit.prepended(net.tables["cls_token"], patches))
    return x, (grid.shape[1], grid.shape[2])


def network(content: Any, *, where: str, num_heads: int | None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    if is_fisher(content):
        raise DataError(f"{where} is a checkpoint of FISHER, not of EAT. Name the encoder fisher.")
    state = checkpoints.weights(content)
    epsilon, names = _form(state, where)
    patch_embed, blocks, positions, head = (
        checkpoints.translated(name, names)
        for name in ("patch_embed.proj.weight", "blocks.", "tables.pos_embed", "norms.fc_norm.")
    )
    size = vit.size_of(state, where=where, num_heads=num_heads, official=HEADS, patch_embed=patch_embed, blocks=blocks)
    n_positions = checkpoints.shape(state, positions, 3, where=where)[1]
    tables = {"cls_token": (1, 1, size.dim), "pos_embed": (1, n_positions, size.dim)}
    with torch.device("meta"):
        norms = {"pre_norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        if any(name.startswith((head, *NOT_ENCODER[2:])) for name in state):
            norms["fc_norm"] = torch.nn.LayerNorm(size.dim, epsilon)
        model = vit.ViT(size, tables=tables, norms=norms, post_norm=True)
    checkpoints.fit(model, state, where=where, names=names, ignore=NOT_ENCODER)
    return model


def is_fisher(content: Any) -> bool:
    """Whether a file is one of FISHER, whose weights have EAT's names: its ``cfg`` tells the width of a band."""
    config = content.get("cfg") if isinstance(content, Mapping) else None
    model = config.get("model") if isinstance(config, Mapping) else None
    return isinstance(model, Mapping) and "band_width" in model


def _form(state: Any, where: str) -> tuple[float, tuple[tuple[str, str], ...]]:
    """Return the entry of :data:`FORMS` whose name for the patch embedding the checkpoint has."""
    first = {checkpoints.translated("patch_embed.proj.weight", names): (epsilon, names) for epsilon, names in FORMS}
    for name, form in first.items():
        if isinstance(state, Mapping) and name in state:
            return form
    raise DataError(f"{where} has no tensor {' or '.join(first)}; it holds {checkpoints.contents(state)}.")
