"""The encoder ``ast``: the Audio Spectrogram Transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad

from asdcore_plugins.encoders.bases.hub_folder import HubEncoder
from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.front_ends.spectrograms import kaldi_fbank
from asdcore_plugins.nn.running.run import Parts

AUDIOSET: dict[str, Any] = {"mean": -4.2677393, "std": 4.5689974, "do_normalize": True, "sampling_rate": 16000}
"""The front end of the AudioSet models, for a checkpoint without preprocessor_config.json."""

FORMER_NAMES = (
    (r"^layers\.", "encoder.layer."),
    (r"\.attention\.q_proj\.", ".attention.attention.query."),
    (r"\.attention\.k_proj\.", ".attention.attention.key."),
    (r"\.attention\.v_proj\.", ".attention.attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)
"""The names in checkpoints written by transformers 4, the published ones among them."""


class AST(HubEncoder):
    """AST, the Audio Spectrogram Transformer: a vision transformer on overlapping patches, fine-tuned on AudioSet.

    Front end: 16 kHz, Kaldi's filter bank (128 bands from 20 Hz, frames of 25 ms every 10 ms, a Hann window), on
    samples in [-1, 1]; (x - mean) / (2 std) with mean -4.2677393 and std 4.5689974. It is asdcore's own and the same
    everywhere; the library's feature extractor gives other values if torchaudio is installed.

    Tokens of 10 s: 998 frames, filled up to 1024; patches of 16 x 16, 10 apart: 101 x 12 tokens of 768, and two special
    ones, the CLS and the distillation token. Layers: 0 to the number of blocks, and "final", the output after the last
    normalization.

    Position embeddings fix the length: as its authors do, spectrograms are filled up with zeros (before the mean is
    taken off) to ``max_length`` frames of config.json, 1024 frames or 10.24 s for AudioSet. The tokens of a short
    clip's end are of zeros. A clip has at least one frame, 400 samples. With ``beyond = "cut"`` a longer clip is cut,
    as its authors do.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; the classifier in it is left out; or the id
        of a registry entry.
    device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Gong, Chung and Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021, arXiv 2104.01778. Official
    repository: YuanGongND/ast (BSD-3-Clause). The module is ``ASTModel`` of the transformers library.

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("ast", checkpoint="ast-audioset").encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 101, 12, 768)
    """

    name = "ast"

    def _opened(self, checkpoint: str | Path) -> tuple[hub.Snapshot, Any, nn.Module]:
        from transformers import ASTModel

        saved = hub.snapshot(checkpoint, "audio-spectrogram-transformer")
        config = hub.configure("ASTConfig", saved)
        inside = ["audio_spectrogram_transformer."]
        model = hub.build(lambda: ASTModel(config), saved, prefixes=inside, older=FORMER_NAMES, ignore=["classifier."])
        return saved, config, model

    def _configured(self, saved: hub.Snapshot, config: Any) -> tuple[int, int]:
        settings = AUDIOSET | saved.preprocessor
        self.sample_rate = int(settings["sampling_rate"])
        self.layers = (*range(config.num_hidden_layers + 1), hub.FINAL)
        self._mean, self._scale = 0.0, 1.0
        if settings["do_normalize"]:
            self._mean, self._scale = float(settings["mean"]), 2.0 * float(settings["std"])
        self._frames, self._n_mels = config.max_length, config.num_mel_bins
        self._bands, self._time = self.model.embeddings.get_shape(config)
        length, shift = (int(self.sample_rate * seconds) for seconds in (0.025, 0.01))
        whole = (self._time - 1) * config.time_stride + config.patch_size
        return length + shift * self._frames - 1, length + shift * (whole - 1)

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> log-mel spectrograms (n_clips, max_length, n_mels)."""
        fbank = kaldi_fbank(audio, sample_rate=self.sample_rate, n_mels=self._n_mels, window="hanning")
        return (pad(fbank, (0, 0, 0, self._frames - fbank.shape[1])) - self._mean) / self._scale

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Spectrograms -> patches (n_clips, time, band, dim) and special (n_clips, 2, dim) of each layer."""
        seen = hub.watch(self.model.layers, layers, lambda: self.model(spectrogram).last_hidden_state)
        return {layer: self._grid(seen[layer]) for layer in layers}

    def _grid(self, hidden: Tensor) -> Parts:
        """(n_clips, 2 + band * time, dim), the low band first -> patches and special tokens."""
        patches = hidden[:, 2:].reshape(len(hidden), self._bands, self._time, -1).transpose(1, 2)
        return patches, hidden[:, :2]
