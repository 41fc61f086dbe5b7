"""The encoder ``beats``: BEATs of Microsoft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from asdcore import DataError
from asdcore_plugins.nn import checkpoint as checkpoints
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.beats import Beats
from asdcore_plugins.nn.frontend import check_length, kaldi_fbank
from asdcore_plugins.nn.run import Parts, TorchEncoder

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


class BEATs(TorchEncoder):
    """BEATs, pre-trained on AudioSet with the acoustic tokenizer that the model before it taught.

    Front end: 16 kHz; the waveform times 2 ** 15; Kaldi fbank (Povey window, 25 ms every 10 ms, 128 bands); then (x -
    15.41663) / (2 * 6.55582).

    Tokens of 10 s: 62 x 8 patches of 16 x 16, every 160 ms, no class token; dim 768. A clip of any length is taken
    whole, from 16 frames (175 ms) on. An end that fills no patch is left out. Layers: what enters the blocks (after the
    positional convolution and its norm), and every block; nothing follows the last one. The classifier of a fine-tuned
    checkpoint is left out.

    Parameters
    ----------
    checkpoint : str or Path
        An official file, ``{"cfg", "model"}``, in which all sizes are; or the id of a registry entry.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.run.TorchEncoder`.

    References
    ----------
    Chen et al., "BEATs: Audio pre-training with acoustic tokenizers", ICML 2023. Official code and checkpoints:
    https://github.com/microsoft/unilm/tree/master/beats (MIT).

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("beats", checkpoint="beats-iter3-plus-as2m")  # doctest: +SKIP
    >>> encoder.encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 62, 8, 768)
    """

    model: Beats
    name = "beats"
    sample_rate = 16000
    # arXiv 2603.04605, Table III.
    pooling_defaults: ClassVar = {"gem": {"p": 10}, "gwrp": {"r": 0.4}, "rdp": {"gamma": 16}, "rdp_gem": {"gamma": 16}}

    def __init__(
        self, checkpoint: str | Path, device: str = "cpu", autocast: str | None = None, exact: bool = False
    ) -> None:
        content = checkpoints.read(checkpoint)
        model = network(content, where=f"Checkpoint {checkpoint}, read as BEATs,", exact=exact)
        super().__init__(model, device, autocast, exact)
        self.layers = tuple(range(len(self.model.blocks) + 1))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, frames, 128)."""
        patch = self.model.patch_embed.proj.kernel_size[0]
        check_length(audio.shape[1], WINDOW + (patch - 1) * HOP, self.sample_rate)
        return (kaldi_fbank(audio * 2.0**15, n_mels=BANDS) - MEAN) / (2.0 * STD)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 128) -> patches (n_clips, frames // 16, 8, dim)."""
        x, grid = self.model.tokens(spectrogram)
        hidden = vit.hidden_states(x, self.model.blocks, layers, self.model.position_bias(x.shape[1]))
        return {layer: vit.split(tokens, 0, grid) for layer, tokens in hidden.items()}


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
