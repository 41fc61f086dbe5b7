"""The encoder ``clap``: the audio half of LAION's CLAP."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asdcore import DataError
from asdcore_plugins.encoders.bases.hub_folder import HubEncoder
from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.front_ends.mel import htk_bank, slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import mel_db, torch_bank
from asdcore_plugins.nn.running.run import Parts

LAION: dict[str, Any] = {
    "sampling_rate": 48000,
    "fft_window_size": 1024,
    "hop_length": 480,
    "max_length_s": 10,
    "frequency_min": 50,
    "frequency_max": 14000,
    "padding": "repeatpad",
}
"""The front end of the published models, for a checkpoint without preprocessor_config.json."""

LONGEST = 600.0
"""Seconds of a clip that a model with fusion hears: it shrinks the spectrogram of all of them."""

CAPTIONS = ("text_model.", "text_projection.", "logit_scale_")
"""The half of the model that reads captions."""


class Clap(HubEncoder):
    """CLAP by LAION: HTS-AT, a hierarchical transformer on a folded spectrogram, trained to match sounds and captions.

    Front end: 48 kHz, 64 mel bands from 50 to 14000 Hz in dB, FFT of 1024 every 480 samples (10 ms); Slaney's bands of
    unit area, for a model with fusion HTK's of height 1.

    Tokens of 10 s: 1001 frames, stretched to 1024 and folded, a quarter under the other, to 256 x 256; patches of 4 x
    4. Unfolded again: 256 x 16 tokens of 96 before block 1, and half as many in time and in frequency with twice the
    dim after each of the first three stages: 128 x 8 of 192, 64 x 4 of 384, 32 x 2 of 768. Layers: 0 to the number of
    blocks (12), with a stage's last block taken before the grid is halved; and "final", the projected embedding of the
    whole clip, one token of 512, not scaled to length 1.

    A clip shorter than 10 s is repeated as often as it fits and then filled up with zeros ("repeatpad"; "repeat" and
    "pad" as preprocessor_config.json says). A longer clip is heard in windows of 10 s. Its authors take 10 s at random
    ("rand_trunc"); with ``beyond = "cut"`` these are the middle 10 s, so that a clip always gives the same tokens.

    With fusion, the whole clip shrunk to 10 s goes together with 10 s out of each third, at random positions for the
    authors, here at the middle of each third. A clip that fills 10 s or less stands four times for itself: this is what
    the authors' code makes of a clip given alone, and here a clip is always as if given alone. So all of a long clip is
    heard anyway, up to ten minutes, and ``beyond`` changes nothing.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it, or pytorch_model.bin; or the id of a
        registry entry.
    device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023, arXiv 2211.06687. HTS-AT: Chen et al.,
    "HTS-AT: A hierarchical token-semantic audio transformer", ICASSP 2022, arXiv 2202.00874. Official repository:
    LAION-AI/CLAP (CC0-1.0). The module is ``ClapAudioModelWithProjection`` of the transformers library.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("clap", checkpoint="clap-htsat-unfused")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 1, 1, 512)
    """

    name = "clap"

    def _opened(self, checkpoint: str | Path) -> tuple[hub.Snapshot, Any, nn.Module]:
        from transformers import ClapAudioModelWithProjection

        saved = hub.snapshot(checkpoint, "clap", "clap_audio_model")
        whole = saved.config["model_type"] == "clap"
        config = hub.configure("ClapConfig", saved).audio_config if whole else hub.configure("ClapAudioConfig", saved)
        model = hub.build(lambda: ClapAudioModelWithProjection(config), saved, ignore=CAPTIONS)
        return saved, config, model

    def _configured(self, saved: hub.Snapshot, config: Any) -> tuple[int, int]:
        self._settings = LAION | saved.preprocessor
        if self._settings["padding"] not in ("repeatpad", "repeat", "pad"):
            raise DataError(
                f"{saved.weights.parent}: padding is {self._settings['padding']!r}, not repeatpad, repeat or pad."
            )
        self.sample_rate = int(self._settings["sampling_rate"])
        self._longest = int(self._settings["max_length_s"] * self.sample_rate)
        self._fused, self._n_mels = config.enable_fusion, config.num_mel_bins
        self._folds = config.spec_size // config.num_mel_bins
        # What enters the first block has the grid of the first stage, as all its blocks have.
        stages = [
            grid for stage, grid in enumerate(self._encoder.input_resolutions) for _ in range(config.depths[stage])
        ]
        self._grids = [stages[0], *stages]
        self.layers = (*range(len(self._grids)), hub.FINAL)
        return sys.maxsize if self._fused else self._longest, self._longest

    def reach(self, beyond: str, *, fits: int, window: int) -> None:
        """Set what is heard of a clip: with fusion, all of it."""
        super().reach(beyond, fits=fits, window=window)
        if self._fused:
            self.hears, self.longest = None, LONGEST

    def kept(self, n_samples: int) -> tuple[int, int]:
        """Return where the middle 10 s begin and end; with fusion, the whole clip."""
        if self._fused:
            return 0, n_samples
        start = max(0, n_samples - self._longest) // 2
        return start, min(n_samples, start + self._longest)

    @property
    def _encoder(self) -> Any:
        return self.model.audio_model.audio_encoder

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> mel spectrograms in dB (n_clips, 1 or with fusion 4, frames, n_mels)."""
        if self._fused:
            return torch.stack([self._views(mel) for mel in self._mel(self._filled(audio))])
        start = max(0, audio.shape[1] - self._longest) // 2
        return self._mel(self._filled(audio[:, start : start + self._longest]))[:, None]

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Spectrograms -> patches (n_clips, time, band, dim) of each layer."""
        # The flag says that the four spectrograms are to be fused.
        fused = torch.ones(len(spectrogram), 1, dtype=torch.bool, device=spectrogram.device)
        blocks = [block for stage in self._encoder.layers for block in stage.blocks]
        seen = hub.watch(blocks, layers, lambda: self.model(spectrogram, is_longer=fused).audio_embeds)
        return {layer: (self._unfolded(seen[layer], layer), None) for layer in layers}

    def _filled(self, audio: Tensor) -> Tensor:
        """Make clips shorter than 10 s as long; leave others."""
        n_samples, padding = audio.shape[1], self._settings["padding"]
        if padding != "pad" and n_samples < self._longest:
            times = self._longest // n_samples + (padding == "repeat")
            audio = audio.repeat(1, times)[:, : self._longest]
        return torch.nn.functional.pad(audio, (0, max(0, self._longest - audio.shape[1])))

    def _mel(self, audio: Tensor) -> Tensor:
        settings = self._settings
        n_fft, hop = settings["fft_window_size"], settings["hop_length"]
        bank = htk_bank if self._fused else slaney_bank
        low, high = float(settings["frequency_min"]), float(settings["frequency_max"])
        bands = torch_bank(bank, self.sample_rate, n_fft, self._n_mels, low, high)
        return mel_db(audio, bands, sample_rate=self.sample_rate, n_fft=n_fft, hop=hop)

    def _views(self, mel: Tensor) -> Tensor:
        """(frames, n_mels) -> (4, 10 s of frames, n_mels): the whole clip shrunk, and a piece of each third."""
        kept = self._longest // self._settings["hop_length"] + 1
        if len(mel) == kept:
            return mel.expand(4, -1, -1)
        shrunk = torch.nn.functional.interpolate(mel[None, None], (kept, mel.shape[1]), mode="bilinear")[0, 0]
        thirds = torch.arange(len(mel) - kept + 1).tensor_split(3)
        starts = [int(third[len(third) // 2]) if len(third) else 0 for third in thirds]
        return torch.stack([shrunk, *(mel[start : start + kept] for start in starts)])

    def _unfolded(self, hidden: Tensor, layer: int | str) -> Tensor:
        """(n_clips, rows * columns, dim) -> (n_clips, time, band, dim); rows are folds of time, each low band first."""
        if isinstance(layer, str):
            return hidden[:, None, None]
        rows, columns = self._grids[layer]
        folded = hidden.reshape(len(hidden), self._folds, rows // self._folds, columns, -1)
        return folded.transpose(2, 3).flatten(1, 2)
