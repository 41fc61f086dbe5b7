"""The encoder ``audiomae``: the masked autoencoder of Meta."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends.padded_fbank import padded_fbank, samples
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed
from asdcore_plugins.nn.vit import ViT

HEADS = {768: 12}
"""Attention heads of the official model, by width."""

MEAN, STD = -4.2677393, 4.5689974
PATCH, BANDS = 16, 8
"""Side of a patch in frames and mel bands; patches above one another."""

NOT_ENCODER = ("mask_token", "decoder_", "head.")
"""What checkpoints hold besides: the decoder of pre-training, the classifier."""


class AudioMAE(Windowed):
    """AudioMAE, a masked autoencoder on log-mel patches.

    Front end: 16 kHz; Kaldi fbank with a Hann window, 25 ms every 10 ms, 128 bands; zeros are appended up to the length
    that the checkpoint has positions for (1024 frames); then (x + 4.2677393) / (2 * 4.5689974). So of a short clip the
    last tokens hear only padding, as the authors have it; at least 25 ms are needed. A longer clip than 10.25 s is
    heard in windows of that length; with ``beyond = "cut"`` it loses its end, as the authors have it.

    Tokens of 10 s: 64 x 8 patches of 16 x 16, every 160 ms, and one class token; dim 768. Layers: what enters the
    blocks and every block. Of a pre-trained checkpoint also ``"contextual"``, the mean over the blocks above
    ``contextual_depth`` of what ``norm`` makes of each, which the repository's own feature extraction returns, and
    ``"final"``, the last block after ``norm``. Of a fine-tuned one ``"final"`` is what its classifier sees: ``fc_norm``
    of the mean over all patches, one token.

    Parameters
    ----------
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.
    target_length : int, optional
        Frames of 10 ms that the network hears at once: what the checkpoint has positions for, and nothing else.
    contextual_depth : int
        Number of the last block, the first being 0, that "contextual" leaves out.
    checkpoint, device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Huang et al., "Masked autoencoders that listen", NeurIPS 2022. Official code and checkpoints:
    https://github.com/facebookresearch/AudioMAE (CC BY-NC 4.0: no commercial use).

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("audiomae", checkpoint="audiomae-pretrained")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 64, 8, 768)
    """

    model: ViT
    name = "audiomae"
    sample_rate = 16000

    def __init__(
        self,
        checkpoint: str | Path,
        num_heads: int | None = None,
        target_length: int | None = None,
        contextual_depth: int = 8,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "windows",
        exact: bool = False,
    ) -> None:
        where = f"Checkpoint {checkpoint}, read as AudioMAE,"
        content = checkpoints.read(checkpoint)
        super().__init__(network(content, where=where, num_heads=num_heads), device, autocast, exact)
        self._target_length = (self.model.tables["pos_embed"].shape[1] - 1) // BANDS * PATCH
        if target_length not in (None, self._target_length):
            raise ValueError(
                f"target_length is {target_length}; this checkpoint has positions for {self._target_length}"
            )
        frames = self._target_length
        self.reach(beyond, fits=samples(frames + 1) - 1, window=samples(frames))
        depth = len(self.model.blocks)
        self._contextual = range(contextual_depth + 2, depth + 1) if "norm" in self.model.norms else range(0)
        self.layers = (*range(depth + 1), *(["contextual"] if self._contextual else []), "final")

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, target_length, 128)."""
        return padded_fbank(audio, self._target_length, mean=MEAN, std=STD)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 128) -> patches (n_clips, frames // 16, 8, dim), special (n_clips, 1, dim)."""
        net, positions = self.model, self.model.tables["pos_embed"]
        grid = net.patch_embed(spectrogram)
        x = vit.prepended(net.tables["cls_token"] + positions[:, :1], grid.flatten(1, 2) + positions[:, 1:])
        blocks = self._contextual if "contextual" in layers else ()
        hidden = vit.hidden_states(x, net.blocks, [*layers, *blocks])
        if "contextual" in hidden:
            hidden["contextual"] = sum(net.norms["norm"](hidden[k]) for k in blocks) / len(blocks)
        if "final" in hidden:
            hidden["final"] = net.norms["norm"](hidden["final"]) if "norm" in net.norms else hidden["final"]
        parts = {layer: vit.split(hidden[layer], 1, grid.shape[1:3]) for layer in layers}
        if "final" in parts and "fc_norm" in net.norms:
            parts["final"] = net.norms["fc_norm"](parts["final"][0].mean(dim=(1, 2), keepdim=True)), None
        return parts


def network(content: Any, *, where: str, num_heads: int | None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError if the two do not fit."""
    state = checkpoints.weights(content)
    size = vit.size_of(state, where=where, num_heads=num_heads, official=HEADS)
    n_positions = checkpoints.shape(state, "pos_embed", 3, where=where)[1]
    norm = "fc_norm" if any(name.startswith(("fc_norm.", "head.")) for name in state) else "norm"
    tables = {"cls_token": (1, 1, size.dim), "pos_embed": (1, n_positions, size.dim)}
    with torch.device("meta"):
        model = vit.ViT(size, tables=tables, norms={norm: torch.nn.LayerNorm(size.dim, 1e-6)})
    checkpoints.fit(model, state, where=where, names=vit.PLAIN_NAMES, ignore=NOT_ENCODER)
    return model
