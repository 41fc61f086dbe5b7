"""The encoder ``pe_audio``: the audio half of Meta's Perception Encoder, by the module of the transformers library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed

LONGEST = 30.0
"""Seconds of a clip that is heard as a whole: its convolutions begin at 48,000 frames a second."""

BESIDE = ("text_model.", "text_audio_head.", "audio_head.", "text_audio_logit_")
"""What a checkpoint holds beside the encoder: the half that reads captions, and what compares both halves."""


class PeAudio(Windowed):
    """PE-A, the audio half of Meta's Perception Encoder, trained to match sounds and captions; and PE-A-Frame.

    It hears 48 kHz, sees the waveform, and has one band and a token every 40 ms, 250 of 10 s: the convolutions of a
    neural codec, then a transformer with a class token, which is the special token; dim is 1792 for the large model. As
    in the library, a clip is filled up to a whole number of tokens by its mirror image. Clips may have any length up to
    30 s, or are heard in windows.

    Layers: 0 to the number of blocks, and "final", the output after the last normalization and projection.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it: of the encoder alone or with its text half,
        which is left out. One of sound and video is refused.
    window_seconds : float, optional
        A longer clip is heard in windows of this length. By default every clip is heard as a whole, and one of more
        than 30 s refused.
    device, autocast
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    References
    ----------
    Perception Encoder Audiovisual, Meta, 2025. Official repository: facebookresearch/perception_models (Apache-2.0).
    The module is that of the transformers library.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("pe_audio", checkpoint="pe-a-frame-large")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 250, 1, 1792)
    """

    name = "pe_audio"
    sample_rate = 48000
    model: Any
    files = staticmethod(hub.files)
    not_parameters: ClassVar = {
        "exact": "Its module normalizes in single precision, whatever it is given. Leave exact out."
    }

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = "cpu",
        autocast: str | None = None,
        window_seconds: float | None = None,
    ) -> None:
        from transformers.models.pe_audio.modeling_pe_audio import PeAudioEncoder, PeAudioEncoderRotaryEmbedding

        saved = hub.snapshot(checkpoint, "pe_audio", "pe_audio_encoder")
        alone = saved.config["model_type"] == "pe_audio_encoder"
        config = hub.configure("PeAudioEncoderConfig" if alone else "PeAudioConfig", saved)
        config = config if alone else config.audio_config
        model = hub.build(lambda: PeAudioEncoder(config), saved, prefixes=["audio_encoder."], ignore=BESIDE)
        # What turns with the position is computed, not learnt: it does not lie among the weights.
        model.rotary_emb = PeAudioEncoderRotaryEmbedding(config)
        super().__init__(model, device, autocast)
        self.take_whole(window_seconds, LONGEST)
        self.layers = (*range(config.num_hidden_layers + 1), hub.FINAL)
        self._hop = int(np.prod(config.dac_config.downsampling_ratios))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, n_tokens * 1920), filled up by the mirror image."""
        beyond = -audio.shape[1] % self._hop
        places = np.pad(np.arange(audio.shape[1]), (0, beyond), "reflect")
        return audio[:, torch.from_numpy(places)] if beyond else audio

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Waveforms (n_clips, n_samples) -> patches (n_clips, time, 1, dim) and the class token of each layer."""
        seen = hub.watch(self.model.layers, layers, lambda: self._final(spectrogram))
        return {layer: (seen[layer][:, 1:, None], seen[layer][:, :1]) for layer in layers}

    def _final(self, wave: Tensor) -> Tensor:
        """Return the class token and what follows it (n_clips, 1 + time, dim)."""
        output = self.model(wave[:, None])
        return torch.cat([output.pooler_output[:, None], output.last_hidden_state], dim=1)
