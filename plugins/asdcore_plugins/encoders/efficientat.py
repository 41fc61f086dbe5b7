"""The encoder ``efficientat``: small convolutional networks taught by transformers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from asdcore import OnnxValue
from asdcore_plugins.nn.as_onnx.front_ends import passt_mel_to_onnx
from asdcore_plugins.nn.as_onnx.network import network_to_onnx, refuse_windows
from asdcore_plugins.nn.checkpoints.weights import fit, read, shape
from asdcore_plugins.nn.dymn import DyMN
from asdcore_plugins.nn.front_ends.mel import kaldi_bank
from asdcore_plugins.nn.front_ends.spectrograms import passt_mel
from asdcore_plugins.nn.mobilenet import HIDDEN, MobileNetV3, largest_maps
from asdcore_plugins.nn.running.memory import seconds_that_fit
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed

N_FFT = 1024


class EfficientAT(Windowed):
    """EfficientAT: MobileNetV3 distilled from transformers on AudioSet (mn01_as ... mn40_as), and the dynamic dymn*_as.

    Front end, at 32 kHz: pre-emphasis 0.97, STFT of 1024 with a Hann window of 800 samples every 320, 128 Kaldi mel
    bands of 0-15000 Hz, (ln(x + 1e-5) + 4.5) / 5. Models of another resolution need it said: mn10_as_hop_15
    ``hop_size=480`` (15 ms), mn10_as_mels_64 ``n_mels=64``. Sound of another sample rate is resampled to 32 kHz before
    it comes here, as the authors do.

    Layer i is the map that ``features.<i>`` gives: 0 the stem's, which enters the first block, 1 to 15 the blocks', 16
    that of the last convolution; in dymn they are called ``in_c``, ``layers.<i - 1>`` and ``out_c``. Tokens of a 10 s
    clip (time x band): 500 x 64 in layers 0-1, 250 x 32 in 2-3, 125 x 16 in 4-6, 63 x 8 in 7-12, 32 x 4 in 13-16.
    "final", the default, is their embedding: the mean of layer 16 over time and bands. Its dimension is 960 in mn10 and
    dymn10, and 384, 1920 and 3840 at the widths 04, 20 and 40.

    The networks are convolutional and take a clip as it is, as the authors' inference does, from 514 samples on, or in
    windows.

    Parameters
    ----------
    checkpoint : str or Path
        A file of the authors' releases, a bare state dictionary such as ``mn10_as_mAP_471.pt``, whose tensors tell the
        kind and the width; or the id of a registry entry.
    sample_rate : int
        Hz.
    n_mels : int
        Mel bands.
    window_size, hop_size : int
        Length and distance of frames, in samples; the window is at most 1024.
    fmin, fmax : float
        Limits of the mel bands, in Hz.
    window_seconds : float, optional
        A longer clip is heard in windows of this length. By default every clip is heard as a whole, and one of more
        than 122 s refused (mn10; 195 s of mn04, 42 s of mn40): its maps would take more than 0.4 GB.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    References
    ----------
    Schmid, Koutini and Widmer, "Efficient large-scale audio tagging via Transformer-to-CNN knowledge distillation",
    ICASSP 2023, and "Dynamic convolutional neural networks as efficient pre-trained audio models", IEEE/ACM TASLP 32
    (2024). Official repository: https://github.com/fschmid56/EfficientAT (MIT, code and weights).

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("efficientat", checkpoint="efficientat-mn10")  # doctest: +SKIP
    >>> encoder.encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 1, 1, 960)
    """

    name = "efficientat"
    layers = (*range(17), "final")

    def __init__(
        self,
        checkpoint: str,
        *,
        sample_rate: int = 32000,
        n_mels: int = 128,
        window_size: int = 800,
        hop_size: int = 320,
        fmin: float = 0.0,
        fmax: float = 15000.0,
        device: str = "cpu",
        autocast: str | None = None,
        window_seconds: float | None = None,
        exact: bool = False,
    ) -> None:
        if min(sample_rate, window_size, hop_size) < 1 or window_size > N_FFT:
            raise ValueError(f"sample_rate, window_size and hop_size must be above 0, window_size at most {N_FFT}")
        kaldi_bank(sample_rate, N_FFT, n_mels, fmin, fmax)  # refuses bands that cannot be
        self.sample_rate, self._n_mels = sample_rate, n_mels
        self._mel = functools.partial(
            passt_mel,
            sample_rate=sample_rate,
            n_mels=n_mels,
            n_fft=N_FFT,
            win_length=window_size,
            hop=hop_size,
            low=fmin,
            high=fmax,
        )
        state, where = read(checkpoint), f"checkpoint {checkpoint}, taken for one of EfficientAT,"
        model, width = _network(state, where)
        fit(model, state, where=where)
        super().__init__(model, device, autocast, exact)
        per_second = 4.0 * largest_maps(width) * n_mels * sample_rate / hop_size
        self.take_whole(window_seconds, seconds_that_fit(self.device, per_second))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, 1 + (n_samples - 1) // hop_size, n_mels)."""
        return self._mel(audio)

    def to_onnx(
        self, audio: OnnxValue, layers: Sequence[int | str]
    ) -> Mapping[int | str, tuple[OnnxValue, OnnxValue | None]]:
        """Write the encoder: (n_samples,) -> {layer: patches (time, band, dim)}."""
        refuse_windows(self)
        spectrogram = passt_mel_to_onnx(audio, **self._mel.keywords)
        return network_to_onnx(self, spectrogram, self._n_mels, layers)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """(n_clips, frames, n_mels) -> patches (n_clips, time, band, dim), of "final" (n_clips, 1, 1, dim)."""
        maps = self.model(spectrogram, layers)
        return {
            layer: (grid[:, None, None] if layer == "final" else grid.permute(0, 3, 2, 1), None)
            for layer, grid in maps.items()
        }


def _network(state: Any, where: str) -> tuple[MobileNetV3 | DyMN, float]:
    """Build the network whose tensors a state dictionary has, without values; also returns its width."""
    hidden, _ = shape(state, "classifier.2.weight", 2, where=where)
    n_classes, _ = shape(state, "classifier.5.weight", 2, where=where)
    with torch.device("meta"):
        if "in_c.0.weight" in state:
            dynamic = "layers.0.block.0.0.weight" not in state
            return DyMN(hidden / HIDDEN, n_classes, all_dynamic=dynamic), hidden / HIDDEN
        return MobileNetV3(hidden / HIDDEN, n_classes), hidden / HIDDEN
