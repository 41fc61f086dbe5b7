"""BEATs' checkpoints: the network that a file describes, filled with its values; and how its fbank is normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from asdcore import DataError
from asdcore_plugins.nn import checkpoint as checkpoints
from asdcore_plugins.nn.beats import Beats

MEAN, STD = 15.41663, 6.55582
BANDS, WINDOW, HOP = 128, 400, 160
"""Mel bands; length and distance of frames in samples."""

FIXED = {
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_bias": False,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
}
"""What the ``cfg`` of every official checkpoint says; sizes may differ."""

SIZES = (
    "encoder_layers",
    "encoder_embed_dim",
    "encoder_ffn_embed_dim",
    "encoder_attention_heads",
    "embed_dim",
    "input_patch_size",
    "conv_pos",
    "conv_pos_groups",
    "num_buckets",
    "max_distance",
)

NAMES = (
    (r"^patch_embed\.proj\.", "patch_embedding."),
    (r"^patch_norm\.", "layer_norm."),
    (r"^widen\.", "post_extract_proj."),
    (r"^pos_conv\.parametrizations\.weight\.original0", "encoder.pos_conv.0.weight_g"),
    (r"^pos_conv\.parametrizations\.weight\.original1", "encoder.pos_conv.0.weight_v"),
    (r"^pos_conv\.", "encoder.pos_conv.0."),
    (r"^norm\.", "encoder.layer_norm."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.attn\.", ".self_attn."),
    (r"\.norm1\.", ".self_attn_layer_norm."),
    (r"\.norm2\.", ".final_layer_norm."),
    (r"\.mlp\.", "."),
)
"""How the network's names become the checkpoint's."""


def normalized(fbank: Tensor) -> Tensor:
    """Return Kaldi's fbank of the waveform times 2 ** 15 as the network takes it: (x - 15.41663) / (2 * 6.55582)."""
    return (fbank - MEAN) / (2.0 * STD)


def network(content: Any, *, where: str, exact: bool = False) -> Beats:
    """Build the network that ``cfg`` describes and fill it: raises DataError where the two do not fit."""
    cfg, state = (checkpoints.entry(content, key, where=where) for key in ("cfg", "model"))
    check_config(cfg, where)
    with torch.device("meta"):
        model = Beats(cfg)
    checkpoints.fit(model, state, where=where, names=NAMES, ignore=("predictor.",))
    share_bias(model, where)
    if exact:
        model.double()  # before the norm of weights is taken: it is a sum, and must not be one of float32
    parametrize.remove_parametrizations(model.pos_conv, "weight")  # weight_g * weight_v / |weight_v|, once for all
    return model


def check_config(cfg: Mapping[str, Any], where: str) -> None:
    """Raise DataError where ``cfg`` lacks a size, or describes a network that no official checkpoint has."""
    odd = [f"{key} = {cfg.get(key)!r} instead of {value!r}" for key, value in FIXED.items() if cfg.get(key) != value]
    odd += [f"{key} = {cfg.get(key)!r}" for key in SIZES if type(cfg.get(key)) is not int or cfg[key] < 1]
    if odd:
        raise DataError(f"{where} has a cfg unlike that of every official checkpoint: {', '.join(odd)}.")


def share_bias(model: Beats, where: str) -> None:
    """Let all blocks have the first one's position bias: the file repeats it in each. DataError where two differ."""
    first, *others = model.attentions()
    for k, attention in enumerate(others, start=1):
        if not torch.equal(attention.relative_attention_bias.weight, first.relative_attention_bias.weight):
            raise DataError(f"{where} has a relative_attention_bias in layer {k} that differs from that of layer 0.")
        attention.relative_attention_bias = first.relative_attention_bias
