"""The encoder ``ced_audio``: CED, Consistent Ensemble Distillation; not the scorer ``ced``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from asdcore import Tokens
from asdcore_plugins.nn.ced_audio import PATCH, network
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.crossed_positions import patch_grids
from asdcore_plugins.nn.front_ends.mel64 import HOP, RATE, mel64, mel64_pieces
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.spectrograms import check_length
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed
from asdcore_plugins.nn.vit import ViT

OFFICIAL_LENGTH = 1012
"""Frames that the authors' models hear at once, 63 patches and a rest."""


class CedAudio(Windowed):
    """CED, Consistent Ensemble Distillation: small AudioSet taggers that learned from an ensemble of large ones.

    It is another thing than the scorer ``ced``, cluster exit detection.

    Front end, that of Dasheng: 16 kHz; a centred power spectrum of 512 samples (periodic Hann window) every 10 ms, 64
    HTK mel bands up to 8 kHz, 10 log10, nothing further than 120 dB below the clip's own maximum; then the checkpoint's
    batch normalization of each band. The authors take that maximum over a whole batch; here every clip has its own, as
    theirs has when it is alone.

    Tokens of 10 s: 62 x 4 patches of 16 x 16, every 160 ms, no class token; dim 192 (tiny), 256 (mini), 384 (small) or
    768 (base). A rest of less than 16 frames is left out; at least 150 ms are needed. Layers: what enters the blocks,
    every block, and ``"final"``, the last one after ``norm``; its mean over time and bands (pooling ``mean_all``) is
    the authors' embedding. Their submission to HEAR takes the last block but one. The classifier is left out.

    A clip longer than ``target_length`` frames (10.12 s) is cut into chunks of that length after the batch
    normalization, zeros are appended to the last, and its tokens of mere padding count, as in the authors' code for the
    Hub. That code throws away the last chunk of a clip that needs no padding, and joins chunks of different clips;
    this one does neither. With ``beyond = "windows"`` a longer clip is heard in windows instead, without padding.

    Accepted are the Hub's ``model.safetensors``, or its folder, and the ``.pt`` files of Zenodo.

    Parameters
    ----------
    checkpoint : str or Path
        The file or folder, or the id of a registry entry.
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.
    target_length : int, optional
        Frames of 10 ms that the network hears at once; by default what the table of positions is for.
    beyond : str
        "chunks" or "windows": what is done with a longer clip.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    Raises
    ------
    DataError
        If the checkpoint is damaged, none of CED, or was trained with another front end.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Dinkel et al., "CED: Consistent ensemble distillation for audio tagging", ICASSP 2024, arXiv 2308.11957. Checkpoints
    and code of the Hub: mispeech/ced-* and https://github.com/jimbozhang/hf_transformers_custom_model_ced (Apache-2.0);
    Zenodo 8275347 and 8275319.

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("ced_audio", checkpoint="ced-tiny").encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 62, 4, 192)
    """

    model: ViT
    name = "ced_audio"
    sample_rate = RATE

    def __init__(
        self,
        checkpoint: str | Path,
        num_heads: int | None = None,
        target_length: int | None = None,
        beyond: str = "chunks",
        device: str = "cpu",
        autocast: str | None = None,
        exact: bool = False,
    ) -> None:
        if beyond not in ("chunks", "windows"):
            raise ValueError(f"beyond is {beyond!r}; allowed are 'chunks' and 'windows'")
        content = checkpoints.read(checkpoint)
        where = f"Checkpoint {checkpoint}, read as CED, Consistent Ensemble Distillation,"
        super().__init__(network(content, where=where, num_heads=num_heads), device, autocast, exact)
        self._target_length = self._length(target_length)
        whole = self._target_length // PATCH * PATCH
        # In chunks every clip goes through the front end as a whole: there is no longest one.
        fits = self._target_length * HOP - 1 if beyond == "windows" else sys.maxsize
        self.reach("windows", fits=fits, window=(whole - 1) * HOP)
        if beyond == "chunks":
            self.encode_blocks = self._encode_chunks
        self.layers = (*range(len(self.model.blocks) + 1), "final")

    def _length(self, asked: int | None) -> int:
        """Return how many frames are heard at once; raises ValueError where there are no positions for them."""
        table = self.model.tables["time_pos_embed"].shape[3] * PATCH
        if asked is None:
            return OFFICIAL_LENGTH if table == OFFICIAL_LENGTH // PATCH * PATCH else table
        if type(asked) is not int or not PATCH <= asked < table + PATCH:
            raise ValueError(
                f"target_length is {asked!r}; this checkpoint has positions for {PATCH} to {table + PATCH - 1} frames"
            )
        return asked

    def _encode_chunks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Tokens]]:
        """Yield the tokens of a long recording, chunk by chunk."""
        check_length(len(sound), (PATCH - 1) * HOP, RATE)
        for piece in mel64_pieces(sound, self._target_length, self._dtype):
            yield from self.encode_windows([piece], layers)

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> mel spectrogram in dB (n_clips, 1 + n_samples // 160, 64)."""
        check_length(audio.shape[1], (PATCH - 1) * HOP, RATE)
        return mel64(audio)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 64) in dB -> patches (n_clips, time, 4, dim)."""
        image = self.model.norms["init_bn"](spectrogram.transpose(1, 2))
        frames, longest = image.shape[2], self._target_length
        if frames > longest:
            image = pad(image, (0, -frames % longest))
        chunks = [patch_grids(self.model, chunk, layers) for chunk in image.split(longest, dim=2)]
        return {layer: (torch.cat([chunk[layer] for chunk in chunks], dim=1), None) for layer in layers}
