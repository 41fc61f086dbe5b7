"""Encoders of speech that see the waveform: WavLM, HuBERT and data2vec, by the modules of the transformers library.

========  ================================================  ================================  =========================
name      published                                         official repository               licence
========  ================================================  ================================  =========================
wavlm     Chen et al., IEEE JSTSP 2022, arXiv 2110.13900    microsoft/unilm, wavlm            MIT; weights CC BY-SA 3.0
hubert    Hsu et al., IEEE TASLP 2021, arXiv 2106.07447     facebookresearch/fairseq, hubert  MIT; weights Apache-2.0
data2vec  Baevski et al., ICML 2022, arXiv 2202.03555       facebookresearch/fairseq          MIT; weights Apache-2.0
========  ================================================  ================================  =========================

All hear 16 kHz and have one band. Seven convolutions make a token of 25 ms every 20 ms, 499 of 10 s; dim is 768 for the
base models and 1024 for the large ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn.checkpoints import hub
from asdcore_plugins.nn.running.memory import seconds_that_fit
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed

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

LARGEST_MAPS = {"group": 2.5, "layer": 3.2}
"""How many maps of the first convolution are in memory together at the most, by how they are normalized; measured."""

MATRICES = 5
"""How many numbers a head has in memory for each pair of tokens where attention is not fused, as in WavLM; measured."""


class WaveformEncoder(Windowed):
    """WavLM, HuBERT or data2vec.

    It hears 16 kHz, sees the waveform, and has one band: seven convolutions make a token of 25 ms every 20 ms, 499 of
    10 s; dim is 768 for the base model and 1024 for the large one. Layers: 0 to the number of blocks, and for the large
    WavLM and HuBERT "final", the output after the last normalization. Clips may have any length from 400 samples, one
    token, up to 24 s (data2vec: 19 s), or are heard in windows; each goes through the network alone or with clips as
    long, so nothing is padded and no mask is needed.

    Parameters
    ----------
    checkpoint : str or Path
        A folder with config.json and model.safetensors, as the Hub has it; or the id of a registry entry.
    normalize : bool, optional
        Whether a clip is brought to mean 0 and variance 1 first. By default what preprocessor_config.json says under
        do_normalize; in a folder without that file, true, which is the library's default. The file of wavlm-base-plus
        says false: keep it with the weights.
    window_seconds : float, optional
        A longer clip is heard in windows of this length. By default every clip is heard as a whole, and one that would
        take more than 0.4 GB refused: of more than 24 s in a base model, or 19 s of data2vec.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.
    """

    sample_rate = 16000
    model: Any
    model_type: ClassVar[str]
    files = staticmethod(hub.files)
    library: ClassVar[str]
    attends_in_full: ClassVar[bool] = False

    def __init__(
        self,
        checkpoint: str | Path,
        normalize: bool | None = None,
        device: str = "cpu",
        autocast: str | None = None,
        window_seconds: float | None = None,
        exact: bool = False,
    ) -> None:
        import transformers

        saved = hub.snapshot(checkpoint, self.model_type)
        config = hub.configure(f"{self.library}Config", saved)
        made = getattr(transformers, f"{self.library}Model")
        inside = f"{self.model_type.replace('-', '_')}."
        model = hub.build(lambda: made(config), saved, prefixes=[inside], older=hub.WEIGHT_NORM, ignore=HEADS)
        super().__init__(model, device, autocast, exact)
        self.take_whole(
            window_seconds, seconds_that_fit(self.device, *_bytes(config, self.sample_rate, self.attends_in_full))
        )
        headed = getattr(config, "do_stable_layer_norm", False) or getattr(config, "add_adapter", False)
        blocks = tuple(range(config.num_hidden_layers + 1))
        self.layers = (*blocks, hub.FINAL) if headed else blocks
        self.normalize = bool(saved.preprocessor.get("do_normalize", True)) if normalize is None else normalize
        self.gain = "none" if self.normalize else None
        self._shortest = _receptive_field(config.conv_kernel, config.conv_stride)

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> the same, normalized clip by clip; DataError for clips shorter than one token."""
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
        return (centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()).to(audio.dtype)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """Waveforms (n_clips, n_samples) -> patches (n_clips, time, 1, dim) of each layer."""
        seen = hub.watch(self.model.encoder.layers, layers, lambda: self.model(spectrogram).last_hidden_state)
        return {layer: (seen[layer][:, :, None], None) for layer in layers}


class WavLM(WaveformEncoder):
    """WavLM: HuBERT with a gated relative position bias, trained on mixed and noisy speech too.

    Tokens, layers and parameters: see :class:`WaveformEncoder`.

    References
    ----------
    Chen et al., "WavLM: Large-scale self-supervised pre-training for full stack speech processing", IEEE JSTSP 2022,
    arXiv 2110.13900. Official repository: microsoft/unilm, wavlm (MIT; weights CC BY-SA 3.0).

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("wavlm", checkpoint="wavlm-base-plus").encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "wavlm", "wavlm", "WavLM"
    attends_in_full = True


class Hubert(WaveformEncoder):
    """HuBERT: predicts cluster labels of masked frames.

    Tokens, layers and parameters: see :class:`WaveformEncoder`.

    References
    ----------
    Hsu et al., "HuBERT: Self-supervised speech representation learning by masked prediction of hidden units", IEEE
    TASLP 2021, arXiv 2106.07447. Official repository: facebookresearch/fairseq, hubert (MIT; weights Apache-2.0).

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("hubert", checkpoint="hubert-base").encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "hubert", "hubert", "Hubert"


class Data2Vec(WaveformEncoder):
    """data2vec: predicts what its own moving average makes of masked frames.

    Tokens, layers and parameters: see :class:`WaveformEncoder`.

    References
    ----------
    Baevski et al., "data2vec: A general framework for self-supervised learning in speech, vision and language", ICML
    2022, arXiv 2202.03555. Official repository: facebookresearch/fairseq (MIT; weights Apache-2.0).

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("data2vec", checkpoint="data2vec-audio-base-960h")  # doctest: +SKIP
    >>> encoder.encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 499, 1, 768)
    """

    name, model_type, library = "data2vec", "data2vec-audio", "Data2VecAudio"


def _bytes(config: Any, sample_rate: int, attends_in_full: bool) -> tuple[float, float]:
    """Return the bytes of the largest maps, by the seconds of a clip, and of attention, by their square."""
    maps = LARGEST_MAPS[getattr(config, "feat_extract_norm", "layer")]
    per_second = 4.0 * maps * config.conv_dim[0] * sample_rate / config.conv_stride[0]
    tokens = sample_rate / math.prod(config.conv_stride)
    return per_second, 4.0 * MATRICES * config.num_attention_heads * tokens**2 if attends_in_full else 0.0


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one token sees of the waveform through a chain of convolutions."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
