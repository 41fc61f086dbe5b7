"""The encoder ``passt``: the Patchout faSt Spectrogram Transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends.spectrograms import check_length, passt_mel
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed
from asdcore_plugins.nn.vit import ViT

HEADS = {768: 12}
"""Attention heads of the official models, by width."""

BANDS = 128

NOT_ENCODER = ("head.", "head_dist.")
"""The classifiers."""


class PaSST(Windowed):
    """PaSST, the Patchout faSt Spectrogram Transformer: a supervised AudioSet model on overlapping patches.

    Front end: 32 kHz; x[i + 1] - 0.97 x[i]; a centred power spectrum of 1024 samples (symmetric Hann window of 800)
    every 10 ms, 128 Kaldi mel bands from 0 to 15 kHz; (ln(x + 1e-5) + 4.5) / 5. It is EfficientAT's.

    Tokens of 10 s: 99 x 12 patches of 16 x 16 every 10 frames (100 ms) and bands, one class and one distillation token;
    dim 768. A clip has at least 16 frames (150 ms). A longer one than the table of time positions (10 s; 20 and 30 s
    for the checkpoints of those names) is heard in windows of that length; with ``beyond = "cut"`` it loses the patches
    beyond the table, as in the authors' code. Layers: what enters the blocks, every block, and ``"final"``, the last
    one after ``norm``; the mean of its two special tokens is the authors' embedding.

    Parameters
    ----------
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.
    stride : int or (int, int)
        From one patch to the next, (bands, frames) or one number for both; 16 for a checkpoint named ``p16-s16``, and
        so on.
    hopsize : int
        Samples from frame to frame; 100 and 160 for the checkpoints named ``stfthop``.
    checkpoint, device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Koutini et al., "Efficient training of audio transformers with Patchout", Interspeech 2022. Official code:
    https://github.com/kkoutini/PaSST (Apache-2.0), whose releases hold the checkpoints passt-s-*.

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("passt", checkpoint="passt-s-swa").encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 99, 12, 768)
    """

    model: ViT
    name = "passt"
    sample_rate = 32000

    def __init__(
        self,
        checkpoint: str | Path,
        num_heads: int | None = None,
        stride: int | Sequence[int] = (10, 10),
        hopsize: int = 320,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "windows",
        exact: bool = False,
    ) -> None:
        rows, columns = (stride, stride) if isinstance(stride, int) else stride
        if min(rows, columns, hopsize) < 1:
            raise ValueError(f"stride ({stride}) and hopsize ({hopsize}) must be at least 1")
        where = f"Checkpoint {checkpoint}, read as PaSST,"
        state = checkpoints.weights(checkpoints.read(checkpoint))
        super().__init__(network(state, (rows, columns), where=where, num_heads=num_heads), device, autocast, exact)
        self._hop = hopsize
        last, patch = self.model.tables["time_new_pos_embed"].shape[3] - 1, self.model.patch_embed.proj.kernel_size[1]
        whole = last * columns + patch  # frames
        self.reach(beyond, fits=(whole + columns - 1) * hopsize, window=whole * hopsize)
        self.layers = (*range(len(self.model.blocks) + 1), "final")

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, 1 + (n_samples - 1) // hopsize, 128)."""
        check_length(audio.shape[1], (self.model.patch_embed.proj.kernel_size[1] - 1) * self._hop + 1, self.sample_rate)
        return passt_mel(audio, n_mels=BANDS, hop=self._hop)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 128) -> patches (n_clips, (frames - 16) // 10 + 1, 12, dim), special (n_clips, 2, dim)."""
        net, tables = self.model, self.model.tables
        grid = net.patch_embed(spectrogram.transpose(1, 2))  # rows are bands here, columns are time
        time, band = (tables[f"{axis}_new_pos_embed"].permute(0, 2, 3, 1) for axis in ("time", "freq"))
        grid = grid[:, :, : time.shape[2]]
        grid = grid + time[:, :, : grid.shape[2]] + band
        names = [name for name in ("cls_token", "dist_token") if name in tables]
        special = torch.cat([tables[name] for name in names], dim=1) + tables["new_pos_embed"]
        hidden = vit.hidden_states(vit.prepended(special, grid.flatten(1, 2)), net.blocks, layers)
        if "final" in hidden:
            hidden["final"] = net.norms["norm"](hidden["final"])
        parts = {layer: vit.split(tokens, len(names), grid.shape[1:3]) for layer, tokens in hidden.items()}
        return {layer: (patches.transpose(1, 2), special) for layer, (patches, special) in parts.items()}


def network(state: Mapping[str, Any], stride: tuple[int, int], *, where: str, num_heads: int | None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    size = vit.size_of(state, where=where, num_heads=num_heads, official=HEADS)
    n_special = checkpoints.shape(state, "new_pos_embed", 3, where=where)[1]
    positions = checkpoints.shape(state, "time_new_pos_embed", 4, where=where)[3]
    tables = {
        "new_pos_embed": (1, n_special, size.dim),
        "freq_new_pos_embed": (1, size.dim, (BANDS - size.patch[0]) // stride[0] + 1, 1),
        "time_new_pos_embed": (1, size.dim, 1, positions),
        "cls_token": (1, 1, size.dim),
    }
    if n_special > 1:
        tables["dist_token"] = (1, 1, size.dim)
    with torch.device("meta"):
        norms = {"norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        model = vit.ViT(size, stride=stride, tables=tables, norms=norms)
    checkpoints.fit(model, state, where=where, names=vit.PLAIN_NAMES, ignore=NOT_ENCODER)
    return model
