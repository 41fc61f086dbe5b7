"""Encoders of speech: WavLM, HuBERT, data2vec and Whisper, by the modules of the transformers library.

========  ================================================  ================================  =========================
name      published                                         official repository               licence
========  ================================================  ================================  =========================
wavlm     Chen et al., IEEE JSTSP 2022, arXiv 2110.13900    microsoft/unilm, wavlm            MIT; weights CC BY-SA 3.0
hubert    Hsu et al., IEEE TASLP 2021, arXiv 2106.07447     facebookresearch/fairseq, hubert  MIT; weights Apache-2.0
data2vec  Baevski et al., ICML 2022, arXiv 2202.03555       facebookresearch/fairseq          MIT; weights Apache-2.0
whisper   Radford et al., 2022, arXiv 2212.04356            openai/whisper                    MIT; weights Apache-2.0
========  ================================================  ================================  =========================

All hear 16 kHz and have one band. The first three see the waveform: seven convolutions make a token of 25 ms every
20 ms, 499 of 10 s; dim is 768 for the base models and 1024 for the large ones. Whisper sees a log-mel spectrogram (80
or 128 bands, FFT of 25 ms every 10 ms) and has a token every 20 ms, 500 of 10 s; dim is 384, 512, 768, 1024 and 1280
from tiny to large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdcore import DataError, Tokens
from asdcore_plugins.nn import hub
from asdcore_plugins.nn.frontend import mel_db
from asdcore_plugins.nn.mel import slaney_bank
from asdcore_plugins.nn.run import Parts, TorchEncoder
from asdcore_plugins.nn.windows import Windowed

HEADS = (
    "lm_head.",
    "classifier.",
    "projector.",
    "layer_weights",
    "tdnn.",
    "objective.",
    "feature_extractor.weight",
    "feature_extractor.bias",
)
"""What fine-tuned checkpoints hold beside the encoder: heads for characters, classes, and speaker vectors."""


class WaveformEncoder(TorchEncoder):
    """WavLM, HuBERT or data2vec.

    checkpoint : a folder with config.json and model.safetensors, as the Hub has it.
    normalize : whether a clip is brought to mean 0 and variance 1 first. By default what preprocessor_config.json says
        under do_normalize; in a folder without that file, true, which is the library's default. The file of
        wavlm-base-plus says false: keep it with the weights.

    Layers: 0 to the number of blocks, and "final", the output after the last normalisation, where the model has one
    (large WavLM and HuBERT). Clips may have any length from 400 samples, one token, on; each goes through the network
    alone or with clips as long, so nothing is padded and no mask is needed.
    """

    sample_rate = 16000
    model: Any
    model_type: ClassVar[str]
    files = staticmethod(hub.files)
    library: ClassVar[str]

    def __init__(
        self,
        checkpoint: str | Path,
        normalize: bool | None = None,
        device: str = "cpu",
        autocast: str | None = None,
    ) -> None:
        import transformers

        saved = hub.snapshot(checkpoint, self.model_type)
        config = hub.configure(f"{self.library}Config", saved)
        made = getattr(transformers, f"{self.library}Model")
        inside = f"{self.model_type.replace('-', '_')}."
        model = hub.build(lambda: made(config), saved, prefixes=[inside], older=hub.WEIGHT_NORM, ignore=HEADS)
        super().__init__(model, device, autocast)
        headed = getattr(config, "do_stable_layer_norm", False) or getattr(config, "add_adapter", False)
        blocks = tuple(range(config.num_hidden_layers + 1))
        self.layers = (*blocks, hub.FINAL) if headed else blocks
        self.normalize = bool(saved.preprocessor.get("do_normalize", True)) if normalize is None else normalize
        self._shortest = _receptive_field(config.conv_kernel, config.conv_stride)

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> the same, normalised clip by clip; DataError for clips shorter than one token."""
        if audio.shape[1] < self._shortest:
            raise DataError(
                f"a clip of {audio.shape[1]} samples at {self.sample_rate} Hz is too short for {self.name}, which "
                f"needs {self._shortest}. Lengthen the clip, or leave it out of the dataset."
            )
        if not self.normalize:
            return audio
        # In float64, so that the mean does not depend on the memory layout; 1e-7 keeps digital silence at zero.
        clips = audio.double()
        centred = clips - clips.mean(dim=1, keepdim=True)
        return (centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()).float()

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Waveforms (n_clips, n_samples) -> patches (n_clips, time, 1, dim) of each layer."""
        seen = hub.watch(self.model.encoder.layers, layers, lambda: self.model(spectrogram).last_hidden_state)
        return {layer: (seen[layer][:, :, None], None) for layer in layers}


class WavLM(WaveformEncoder):
    """WavLM: HuBERT with a gated relative position bias, trained on mixed and noisy speech too.

    It hears 16 kHz, sees the waveform, and has one band: seven convolutions make a token of 25 ms every 20 ms, 499 of
    10 s; dim is 768 for the base model and 1024 for the large one. Layers and lengths: see :class:`WaveformEncoder`.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; or the id of a registry entry.
    normalize : bool, optional
        Whether a clip is brought to mean 0 and variance 1 first. By default what preprocessor_config.json says under
        do_normalize; in a folder without that file, true, which is the library's default. The file of wavlm-base-plus
        says false: keep it with the weights.
    device : str
        Where the network runs: "cpu", "cuda", "cuda:1", ...
    autocast : str, optional
        "bfloat16" or "float16", the type of matrix products. It changes results. By default float32 throughout.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or not one of this model.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Chen et al., "WavLM: Large-scale self-supervised pre-training for full stack speech processing", IEEE JSTSP 2022,
    arXiv 2110.13900. Official repository: microsoft/unilm, wavlm (MIT; weights CC BY-SA 3.0).

    Examples
    --------
    Not run by the tests, which have no checkpoint:

    >>> import asdcore, numpy as np
    >>> clips = np.zeros((2, 160000), dtype=np.float32)
    >>> encoder = asdcore.load_encoder("wavlm", checkpoint="wavlm-base-plus")  # doctest: +SKIP
    >>> encoder.encode(clips)[encoder.layers[-1]].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "wavlm", "wavlm", "WavLM"


class Hubert(WaveformEncoder):
    """HuBERT: predicts cluster labels of masked frames.

    It hears 16 kHz, sees the waveform, and has one band: seven convolutions make a token of 25 ms every 20 ms, 499 of
    10 s; dim is 768 for the base model and 1024 for the large one. Layers and lengths: see :class:`WaveformEncoder`.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; or the id of a registry entry.
    normalize : bool, optional
        Whether a clip is brought to mean 0 and variance 1 first. By default what preprocessor_config.json says under
        do_normalize; in a folder without that file, true, which is the library's default. The file of wavlm-base-plus
        says false: keep it with the weights.
    device : str
        Where the network runs: "cpu", "cuda", "cuda:1", ...
    autocast : str, optional
        "bfloat16" or "float16", the type of matrix products. It changes results. By default float32 throughout.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or not one of this model.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Hsu et al., "HuBERT: Self-supervised speech representation learning by masked prediction of hidden units", IEEE
    TASLP 2021, arXiv 2106.07447. Official repository: facebookresearch/fairseq, hubert (MIT; weights Apache-2.0).

    Examples
    --------
    Not run by the tests, which have no checkpoint:

    >>> import asdcore, numpy as np
    >>> clips = np.zeros((2, 160000), dtype=np.float32)
    >>> encoder = asdcore.load_encoder("hubert", checkpoint="hubert-base")  # doctest: +SKIP
    >>> encoder.encode(clips)[encoder.layers[-1]].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "hubert", "hubert", "Hubert"


class Data2Vec(WaveformEncoder):
    """data2vec: predicts what its own moving average makes of masked frames.

    It hears 16 kHz, sees the waveform, and has one band: seven convolutions make a token of 25 ms every 20 ms, 499 of
    10 s; dim is 768 for the base model and 1024 for the large one. Layers and lengths: see :class:`WaveformEncoder`.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; or the id of a registry entry.
    normalize : bool, optional
        Whether a clip is brought to mean 0 and variance 1 first. By default what preprocessor_config.json says under
        do_normalize; in a folder without that file, true, which is the library's default. The file of wavlm-base-plus
        says false: keep it with the weights.
    device : str
        Where the network runs: "cpu", "cuda", "cuda:1", ...
    autocast : str, optional
        "bfloat16" or "float16", the type of matrix products. It changes results. By default float32 throughout.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or not one of this model.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Baevski et al., "data2vec: A general framework for self-supervised learning in speech, vision and language", ICML
    2022, arXiv 2202.03555. Official repository: facebookresearch/fairseq (MIT; weights Apache-2.0).

    Examples
    --------
    Not run by the tests, which have no checkpoint:

    >>> import asdcore, numpy as np
    >>> clips = np.zeros((2, 160000), dtype=np.float32)
    >>> encoder = asdcore.load_encoder("data2vec", checkpoint="data2vec-audio-base-960h")  # doctest: +SKIP
    >>> encoder.encode(clips)[encoder.layers[-1]].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "data2vec", "data2vec-audio", "Data2VecAudio"


class Whisper(Windowed):
    """The encoder half of Whisper.

    It hears 16 kHz and has one band and a token every 20 ms, 500 of 10 s; dim is 384, 512, 768, 1024 and 1280 from tiny
    to large. The spectrogram has 80 or 128 of Slaney's mel bands up to 8 kHz, FFT of 25 ms every 10 ms; log10, cut 8
    below the clip's maximum, (x + 4) / 4. As its authors do, a clip is filled up with silence to 30 s. Of the 1500
    tokens only those of the clip's own length are returned, one for every 20 ms begun; they have seen the silence after
    it. A longer clip is heard in windows of 30 s; with ``beyond = "cut"`` what exceeds 30 s is cut off.

    Layers: 0 to the number of blocks, and "final", the output after the last normalisation.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; the decoder in it is left out; or the id of
        a registry entry.
    device : str
        Where the network runs: "cpu", "cuda", "cuda:1", ...
    autocast : str, optional
        "bfloat16" or "float16", the type of matrix products. It changes results. By default float32 throughout.
    beyond : str
        What is done with a longer clip than the network has positions for: "windows" hears it in windows, "cut" cuts it
        off; see :class:`asdcore_plugins.nn.windows.Windowed`.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or not one of this model.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, arXiv 2212.04356. Official
    repository: openai/whisper (MIT; weights Apache-2.0). The module is that of the transformers library.

    Examples
    --------
    Not run by the tests, which have no checkpoint:

    >>> import asdcore, numpy as np
    >>> clips = np.zeros((2, 160000), dtype=np.float32)
    >>> encoder = asdcore.load_encoder("whisper", checkpoint="whisper-base")  # doctest: +SKIP
    >>> encoder.encode(clips)[encoder.layers[-1]].patches.shape  # doctest: +SKIP
    (2, 500, 1, 512)
    """

    name = "whisper"
    files = staticmethod(hub.files)
    sample_rate = 16000
    model: Any

    def __init__(
        self, checkpoint: str | Path, device: str = "cpu", autocast: str | None = None, beyond: str = "windows"
    ) -> None:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        saved = hub.snapshot(checkpoint, "whisper")
        config = hub.configure("WhisperConfig", saved)
        inside, beside = ("model.encoder.", "encoder."), ("model.decoder.", "decoder.", "proj_out.")
        model = hub.build(lambda: WhisperEncoder(config), saved, prefixes=inside, ignore=beside)
        super().__init__(model, device, autocast)
        self.layers = (*range(config.encoder_layers + 1), hub.FINAL)
        self._n_mels, self._longest = config.num_mel_bins, config.max_source_positions * TOKEN
        self.reach(beyond, fits=self._longest, window=self._longest)

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
        bank = slaney_bank(self.sample_rate, 400, self._n_mels, 0.0, 8000.0)
        # The last frame begins where the sound ends; the authors drop it.
        log10 = mel_db(whole, bank, sample_rate=self.sample_rate, n_fft=400, hop=160)[:, :-1].mT / 10.0
        return (torch.maximum(log10, log10.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Spectrograms (n_clips, n_mels, frames) -> patches (n_clips, frames / 2, 1, dim) of each layer."""
        seen = hub.watch(self.model.layers, layers, lambda: self.model(spectrogram).last_hidden_state)
        return {layer: (seen[layer][:, :, None], None) for layer in layers}


TOKEN = 320
"""Samples between two tokens of Whisper: frames every 160, two frames a token."""


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one token sees of the waveform through a chain of convolutions."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
