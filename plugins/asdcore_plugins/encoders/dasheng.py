"""The encoder ``dasheng``: masked autoencoders of Xiaomi."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from asdcore import DataError, Tokens
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.crossed_positions import patch_grids
from asdcore_plugins.nn.front_ends.mel64 import BANDS, HOP, RATE, mel64, mel64_pieces, other_tensors
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.spectrograms import check_length
from asdcore_plugins.nn.running.run import Parts, TorchEncoder
from asdcore_plugins.nn.vit import ViT

HEADS = {768: 12, 1280: 16, 1536: 24}
"""Attention heads of the official models, base, 0.6B and 1.2B, by width."""

FRONT_END = {"hop_size": HOP, "center": True, "top_db": 120}
"""What a checkpoint's ``config`` may say of the front end, beside the window and the filter bank that it holds."""

NAMES = ((r"^norms\.init_bn\.", "init_bn.1."), (r"^(tables|norms)\.", ""))
"""How the network's names become the checkpoint's."""


class Dasheng(TorchEncoder):
    """Dasheng, a masked autoencoder on 64-band mel frames, scaled up to 1.2 billion parameters.

    Front end: 16 kHz; a centred power spectrum of 512 samples (periodic Hann window) every 10 ms, 64 HTK mel bands up
    to 8 kHz, 10 log10, nothing further than 120 dB below the clip's own maximum; then the checkpoint's batch
    normalization of each band. The authors take that maximum over a whole batch, by which a clip's tokens would depend
    on its neighbours; here every clip has its own, as theirs has when it is alone.

    Tokens of 10 s: 250 x 1, patches of 64 bands x 4 frames, every 40 ms; no class token; dim 768 (base), 1280 (0.6B) or
    1536 (1.2B). A rest of less than 4 frames is left out; at least 30 ms are needed. Layers: what enters the blocks,
    every block, and ``"final"``, the last one after ``norm``. No more than ``target_length`` frames (10.08 s) go
    through the network at once: a longer spectrogram is cut into pieces of that length, and zeros are appended to the
    last, whose tokens of mere padding are left out, as the repository does (its package 0.0.9 cuts the tokens, without
    padding).

    Parameters
    ----------
    num_heads : int, optional
        Attention heads; by default what the checkpoint's ``config`` says, or else the official number for its width.
    target_length : int, optional
        Frames of 10 ms that the network hears at once; by default what ``config`` says, or else the table of positions.
    checkpoint, device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    References
    ----------
    Dinkel et al., "Scaling up masked audio encoder learning for general audio classification", Interspeech 2024.
    Official code: https://github.com/XiaoMi/dasheng (Apache-2.0); checkpoints: Zenodo 11511780 (base, 0.6B, 1.2B).

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("dasheng", checkpoint="dasheng-base")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 250, 1, 768)
    """

    model: ViT
    name = "dasheng"
    sample_rate = RATE
    # arXiv 2603.04605, Table III.
    pooling_defaults: ClassVar = {"gem": {"p": 6}, "gwrp": {"r": 0.6}, "rdp": {"gamma": 20}, "rdp_gem": {"gamma": 20}}

    def __init__(
        self,
        checkpoint: str | Path,
        num_heads: int | None = None,
        target_length: int | None = None,
        device: str = "cpu",
        autocast: str | None = None,
        exact: bool = False,
    ) -> None:
        where = f"Checkpoint {checkpoint}, read as Dasheng,"
        content = checkpoints.read(checkpoint)
        state = checkpoints.entry(content, "model", where=where)
        config = checkpoints.entry(content, "config", where=where)
        check_front_end(state, config, where)
        super().__init__(network(state, config, where=where, num_heads=num_heads), device, autocast, exact)
        self._stride = self.model.patch_embed.proj.stride[1]
        self._positions = self.model.tables["time_pos_embed"].shape[3]
        table = self._positions * self._stride
        self._target_length = config.get("target_length", table) if target_length is None else target_length
        if self._target_length // self._stride != self._positions:
            raise ValueError(
                f"target_length is {self._target_length}; this checkpoint has positions for {table} frames"
            )
        self.layers = (*range(len(self.model.blocks) + 1), "final")

    def encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Tokens]]:
        """Yield the tokens of a long recording, piece by piece."""
        check_length(len(sound), (self._stride - 1) * HOP, RATE)
        for piece in mel64_pieces(sound, self._target_length, self._dtype):
            yield from self.encode_prepared([piece], layers)

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> mel spectrogram in dB (n_clips, 1 + n_samples // 160, 64)."""
        check_length(audio.shape[1], (self._stride - 1) * HOP, RATE)
        return mel64(audio)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 64) in dB -> patches (n_clips, frames // 4, 1, dim)."""
        image = self.model.norms["init_bn"](spectrogram.transpose(1, 2))
        frames, longest = image.shape[2], self._target_length
        if frames > longest:
            image = torch.nn.functional.pad(image, (0, -frames % longest))
        pieces = [patch_grids(self.model, piece, layers) for piece in image.split(longest, dim=2)]
        heard = frames // longest * self._positions + frames % longest // self._stride
        return {layer: (torch.cat([piece[layer] for piece in pieces], dim=1)[:, :heard], None) for layer in layers}


def network(state: Mapping[str, Any], config: Mapping[str, Any], *, where: str, num_heads: int | None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    heads = config.get("num_heads") if num_heads is None else num_heads
    size = vit.size_of(state, where=where, num_heads=heads, official=HEADS)
    positions = checkpoints.shape(state, "time_pos_embed", 4, where=where)[3]
    tables = {
        "time_pos_embed": (1, size.dim, 1, positions),
        "freq_pos_embed": (1, size.dim, BANDS // size.patch[0], 1),
    }
    with torch.device("meta"):
        norms = {"init_bn": torch.nn.BatchNorm1d(BANDS), "norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        model = vit.ViT(size, tables=tables, norms=norms)
    checkpoints.fit(model, state, where=where, names=NAMES, ignore=("front_end.",))
    return model


def check_front_end(state: Mapping[str, Any], config: Mapping[str, Any], where: str) -> None:
    """Raise DataError where a checkpoint was trained with another front end than the official one."""
    others = other_tensors(state, where)
    others += [f"{key} = {config[key]}" for key, ours in FRONT_END.items() if config.get(key, ours) != ours]
    if others:
        raise DataError(f"{where} was trained with another front end than Dasheng's own: {', '.join(others)}.")
