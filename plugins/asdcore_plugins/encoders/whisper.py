"""The encoder ``whisper``: the encoder half of Whisper, by the module of the transformers library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asdcore import Tokens
from asdcore_plugins.encoders.bases.hub_folder import HubEncoder
from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.front_ends.mel import slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import mel_db, torch_bank
from asdcore_plugins.nn.running.run import Parts

TOKEN = 320
"""Samples between two tokens of Whisper: frames every 160, two frames a token."""


class Whisper(HubEncoder):
    """The encoder half of Whisper.

    It hears 16 kHz and has one band and a token every 20 ms, 500 of 10 s; dim is 384, 512, 768, 1024 and 1280 from tiny
    to large. The spectrogram has 80 or 128 of Slaney's mel bands up to 8 kHz, FFT of 25 ms every 10 ms; log10, cut 8
    below the clip's maximum, (x + 4) / 4. As its authors do, a clip is filled up with silence to 30 s. Of the 1500
    tokens only those of the clip's own length are returned, one for every 20 ms begun; they have seen the silence after
    it. A longer clip is heard in windows of 30 s; with ``beyond = "cut"`` what exceeds 30 s is cut off.

    Layers: 0 to the number of blocks, and "final", the output after the last normalization.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; the decoder in it is left out; or the id of
        a registry entry.
    device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, arXiv 2212.04356. Official
    repository: openai/whisper (MIT; weights Apache-2.0). The module is that of the transformers library.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("whisper", checkpoint="whisper-base")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 500, 1, 512)
    """

    name = "whisper"
    sample_rate = 16000

    def _opened(self, checkpoint: str | Path) -> tuple[hub.Snapshot, Any, nn.Module]:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        saved = hub.snapshot(checkpoint, "whisper")
        config = hub.configure("WhisperConfig", saved)
        inside, beside = ("model.encoder.", "encoder."), ("model.decoder.", "decoder.", "proj_out.")
        model = hub.build(lambda: WhisperEncoder(config), saved, prefixes=inside, ignore=beside)
        return saved, config, model

    def _configured(self, saved: hub.Snapshot, config: Any) -> tuple[int, int]:
        self.layers = (*range(config.encoder_layers + 1), hub.FINAL)
        self._n_mels, self._longest = config.num_mel_bins, config.max_source_positions * TOKEN
        return self._longest, self._longest

    def prepare_window(self, audio: NDArray[np.float32]) -> tuple[Tensor, int]:
        """(1, n_samples) float32 -> its spectrogram, and how many tokens are its own: ceil(n_samples / 320)."""
        return super().prepare_window(audio), -(-audio.shape[-1] // TOKEN)

    def encode_windows(
        self, prepared: Sequence[tuple[Tensor, int]], layers: Sequence[int | str]
    ) -> list[dict[int | str, Tokens]]:
        """What :meth:`prepare_window` returned -> for each its own tokens of each layer, without the silence's."""
        whole = super().encode_windows([spectrogram for spectrogram, _ in prepared], layers)
        return [
            {layer: Tokens(tokens.patches[:, :own].copy()) for layer, tokens in clip.items()}
            for clip, (_, own) in zip(whole, prepared, strict=True)
        ]

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> log-mel spectrograms (n_clips, n_mels, frames) of 30 s."""
        whole = torch.nn.functional.pad(audio, (0, self._longest - audio.shape[1]))  # negative where it cuts
        bank = torch_bank(slaney_bank, self.sample_rate, 400, self._n_mels, 0.0, 8000.0)
        # The last frame begins where the sound ends; the authors drop it.
        log10 = mel_db(whole, bank, sample_rate=self.sample_rate, n_fft=400, hop=160)[:, :-1].mT / 10.0
        return (torch.maximum(log10, log10.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Spectrograms (n_clips, n_mels, frames) -> patches (n_clips, frames / 2, 1, dim) of each layer."""
        seen = hub.watch(self.model.layers, layers, lambda: self.model(spectrogram).last_hidden_state)
        return {layer: (seen[layer][:, :, None], None) for layer in layers}
