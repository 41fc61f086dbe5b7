"""BEATs' checkpoints, and those of OpenBEATs: the network that a file describes, filled with its values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.nn.utils import parametrize

from asdcore import DataError
from asdcore_plugins.nn.beats import Beats
from asdcore_plugins.nn.checkpoints import weights as checkpoints

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


PADS = ("patch_embedding_pad.", "raw2fbank_pad.")
"""Tensors of ones that OpenBEATs' files hold besides, for masks of padding."""

ESPNET = "encoder."
"""What names of the encoder begin with in a file of ESPnet, which is a bare state dictionary."""

MAX_DISTANCE = 800
"""Of every official model; no tensor tells it."""


def opened(path: str | Path) -> Any:
    """Return what a checkpoint holds.

    A folder is one of ESPnet: the configuration that its config.yaml has under ``encoder_conf.beats_config`` comes back
    as the ``cfg`` of its one file of weights. Raises DataError if there is another number of those.
    """
    folder = Path(path)
    if not folder.is_dir():
        return checkpoints.read(path)
    files = sorted(file for file in folder.iterdir() if file.suffix in (".pt", ".pth"))
    if len(files) != 1:
        raise DataError(f"Checkpoint {folder} is a folder with {len(files)} files .pt or .pth: it must have one.")
    content = checkpoints.read(files[0])
    config = _beats_config(folder / "config.yaml")
    return content if config is None or not _is_espnet(content) else {"cfg": config, "model": content}


def described(content: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ``cfg`` of a checkpoint, and its weights under the names of BEATs' own files.

    A file of ESPnet has no ``cfg``: sizes are then those of its tensors, and all else is as in every official file.
    """
    if _is_espnet(content):
        state = _without_prefix(content)
        return _sizes(state, where), state
    cfg, state = (checkpoints.entry(content, key, where=where) for key in ("cfg", "model"))
    return cfg, _without_prefix(state) if _is_espnet(state) else state


def is_open(content: Any) -> bool:
    """Whether a checkpoint is one of OpenBEATs: of ESPnet, or with its tensors for padding."""
    state = checkpoints.weights(content)
    return _is_espnet(state) or (isinstance(state, Mapping) and any(name.startswith(PADS) for name in state))


def network(content: Any, *, where: str, exact: bool = False) -> Beats:
    """Build the network that ``cfg`` describes and fill it: raises DataError if the two do not fit."""
    cfg, state = described(content, where)
    check_config(cfg, where)
    with torch.device("meta"):
        model = Beats(cfg)
    checkpoints.fit(model, state, where=where, names=NAMES, ignore=("predictor.", *PADS))
    share_bias(model, where)
    if exact:
        model.double()  # before the norm of weights is taken: it is a sum, and must not be one of float32
    parametrize.remove_parametrizations(model.pos_conv, "weight")  # weight_g * weight_v / |weight_v|, once for all
    return model


def check_config(cfg: Mapping[str, Any], where: str) -> None:
    """Raise DataError if ``cfg`` lacks a size, or describes a network that no official checkpoint has."""
    odd = [f"{key} = {cfg.get(key)!r} instead of {value!r}" for key, value in FIXED.items() if cfg.get(key) != value]
    odd += [f"{key} = {cfg.get(key)!r}" for key in SIZES if type(cfg.get(key)) is not int or cfg[key] < 1]
    odd += [f"{key} = {cfg[key]!r}" for key in ("fbank_mean", "fbank_std") if key in cfg and not _is_finite(cfg[key])]
    odd += [f"fbank_std = {cfg['fbank_std']!r}"] if not odd and cfg.get("fbank_std", 1) <= 0 else []
    if odd:
        raise DataError(f"{where} has a cfg unlike that of every official checkpoint: {', '.join(odd)}.")


def share_bias(model: Beats, where: str) -> None:
    """Let all blocks have the first one's position bias: the file repeats it in each. DataError if two differ."""
    first, *others = model.attentions()
    for k, attention in enumerate(others, start=1):
        if not torch.equal(attention.relative_attention_bias.weight, first.relative_attention_bias.weight):
            raise DataError(f"{where} has a relative_attention_bias in layer {k} that differs from that of layer 0.")
        attention.relative_attention_bias = first.relative_attention_bias


def _is_espnet(state: Any) -> bool:
    return isinstance(state, Mapping) and f"{ESPNET}patch_embedding.weight" in state


def _without_prefix(state: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's tensors under BEATs' own names; a classifier and what else ESPnet has are left out."""
    return {name.removeprefix(ESPNET): tensor for name, tensor in state.items() if name.startswith(ESPNET)}


def _sizes(state: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A ``cfg`` by the shapes of a state dictionary."""

    def shape(name: str, rank: int) -> tuple[int, ...]:
        return checkpoints.shape(state, name, rank, where=where)

    width, _, patch, _ = shape("patch_embedding.weight", 4)
    dim, of_a_group, taps = shape("encoder.pos_conv.0.weight_v", 3)
    buckets, heads = shape("encoder.layers.0.self_attn.relative_attention_bias.weight", 2)
    return FIXED | {
        "encoder_layers": checkpoints.depth(state, "encoder.layers."),
        "encoder_embed_dim": dim,
        "encoder_ffn_embed_dim": shape("encoder.layers.0.fc1.weight", 2)[0],
        "encoder_attention_heads": heads,
        "embed_dim": width,
        "input_patch_size": patch,
        "conv_pos": taps,
        "conv_pos_groups": dim // max(1, of_a_group),
        "num_buckets": buckets,
        "max_distance": MAX_DISTANCE,
    }


def _beats_config(file: Path) -> dict[str, Any] | None:
    """What a config.yaml of ESPnet says of the network, or None; raises DataError for a file that is no YAML."""
    if not file.is_file():
        return None
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is no YAML ({str(error).splitlines()[0]}).") from error
    conf = config.get("encoder_conf") if isinstance(config, Mapping) else None
    beats = conf.get("beats_config") if isinstance(conf, Mapping) else None
    return dict(beats) if isinstance(beats, Mapping) else None


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
