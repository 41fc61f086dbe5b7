"""The encoder ``panns``: pretrained audio neural networks."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn import panns
from asdcore_plugins.nn.checkpoints.weights import fit, read, shape
from asdcore_plugins.nn.front_ends.mel import slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import check_length, mel_db, torch_bank
from asdcore_plugins.nn.panns import Pann
from asdcore_plugins.nn.running.memory import seconds_that_fit
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed

FIXED = ("spectrogram_extractor.stft.conv_real.weight", "spectrogram_extractor.stft.conv_imag.weight")
MEL = "logmel_extractor.melW"


class Panns(Windowed):
    """PANNs: convolutional networks trained on AudioSet, Cnn14, Cnn10, Cnn6 and MobileNetV1.

    Front end, at 32 kHz: STFT of 1024 samples (periodic Hann window) every 320, 64 Slaney mel bands of 50-14000 Hz, 10
    log10(max(power, 1e-10)), then a batch normalization of each band, which belongs to the network. Cnn14_16k needs
    ``sample_rate=16000, window_size=512, hop_size=160, fmax=8000``. A checkpoint carries its windowed Fourier matrices
    and its mel bands: one that was trained on another spectrogram than the parameters describe is refused. Sound of
    another sample rate is resampled before it comes here, as the authors do.

    Layer 0 is what enters the first block (MobileNetV1: the map of its stem), k what leaves block k. Tokens of a 10 s
    clip (time x band) in the last block: 31 x 2 of Cnn14 and MobileNetV1, 62 x 4 of Cnn10 and Cnn6. "final", the
    default, is the embedding, one token: 2048 numbers of Cnn14, 1024 of MobileNetV1, 512 of Cnn10 and Cnn6.

    The networks are convolutional and take a clip as it is, as the authors' inference does, or in windows. A clip with
    fewer frames than make one of the last map (32, or 16 with Cnn10 and Cnn6: 310 or 150 ms) is refused; the authors'
    code fails there.

    Parameters
    ----------
    checkpoint : str or Path
        A file of the authors' record, whose tensors tell which of the four networks it is; or the id of a registry
        entry.
    sample_rate : int
        Hz.
    window_size, hop_size : int
        Length (even) and distance of frames, in samples.
    mel_bins : int
        Mel bands.
    fmin, fmax : float
        Their limits in Hz.
    classes_num : int, optional
        Classes of the classifier; by default as many as the checkpoint has.
    window_seconds : float, optional
        A longer clip is heard in windows of this length. By default every clip is heard as a whole, and one of more
        than 54 s refused (Cnn14 and Cnn10; 81 s of Cnn6, 162 s of MobileNetV1): its maps would take more than 0.4 GB.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    References
    ----------
    Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition", IEEE/ACM TASLP 28
    (2020). Official repository: https://github.com/qiuqiangkong/audioset_tagging_cnn (MIT); checkpoints in Zenodo
    record 3987831 (CC-BY-4.0), dictionaries with the state under "model".

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("panns", checkpoint="panns-cnn14").encode(clips)["final"].patches.shape  # doctest: +SKIP
    (2, 1, 1, 2048)
    """

    name = "panns"

    def __init__(
        self,
        checkpoint: str,
        *,
        sample_rate: int = 32000,
        window_size: int = 1024,
        hop_size: int = 320,
        mel_bins: int = 64,
        fmin: float = 50.0,
        fmax: float = 14000.0,
        classes_num: int | None = None,
        device: str = "cpu",
        autocast: str | None = None,
        window_seconds: float | None = None,
        exact: bool = False,
    ) -> None:
        if min(sample_rate, window_size, hop_size) < 1 or window_size % 2:
            raise ValueError("sample_rate, window_size and hop_size must be above 0, window_size even")
        bank = torch_bank(slaney_bank, sample_rate, window_size, mel_bins, fmin, fmax)
        content = read(checkpoint)
        state = content["model"] if isinstance(content, Mapping) and "model" in content else content
        model, where = _network(state, mel_bins, classes_num, f"checkpoint {checkpoint}")
        if mel_bins < model.shrink:
            raise ValueError(f"mel_bins is {mel_bins}; the network halves them down to one and needs {model.shrink}")
        _check_spectrogram(state, window_size, bank, where)
        fit(model, state, where=where, ignore=(*FIXED, MEL))
        self.sample_rate = sample_rate
        self.layers = (*range(len(model.stages())), "final")
        self._mel = functools.partial(mel_db, bank=bank, sample_rate=sample_rate, n_fft=window_size, hop=hop_size)
        self._needed = (model.shrink - 1) * hop_size
        super().__init__(model, device, autocast, exact)
        per_second = 4.0 * model.largest_maps * mel_bins * sample_rate / hop_size
        self.take_whole(window_seconds, seconds_that_fit(self.device, per_second))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, 1 + n_samples // hop_size, mel_bins) dB."""
        check_length(audio.shape[1], self._needed, self.sample_rate)
        return self._mel(audio)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """(n_clips, frames, mel_bins) -> patches (n_clips, time, band, dim), of "final" (n_clips, 1, 1, dim)."""
        maps = self.model(spectrogram, layers)
        return {
            layer: (grid[:, None, None] if layer == "final" else grid.permute(0, 2, 3, 1), None)
            for layer, grid in maps.items()
        }


def _network(state: Any, mel_bins: int, classes_num: int | None, checkpoint: str) -> tuple[Pann, str]:
    """Build the network whose blocks a state dictionary has, without values; and say what it was taken for."""
    n_classes, dim = shape(state, "fc_audioset.weight", 2, where=f"{checkpoint}, taken for one of PANNs,")
    size = (mel_bins, dim, classes_num or n_classes)
    with torch.device("meta"):
        if "features.0.0.weight" in state:
            return panns.MobileNetV1(*size), f"{checkpoint}, taken for MobileNetV1 of PANNs,"
        if "conv_block5.conv1.weight" in state:
            return panns.Cnn(*size, n_blocks=6, n_convs=2, kernel=3), f"{checkpoint}, taken for Cnn14 of PANNs,"
        if "conv_block1.conv2.weight" in state:
            return panns.Cnn(*size, n_blocks=4, n_convs=2, kernel=3), f"{checkpoint}, taken for Cnn10 of PANNs,"
        return panns.Cnn(*size, n_blocks=4, n_convs=1, kernel=5), f"{checkpoint}, taken for Cnn6 of PANNs,"


def _check_spectrogram(state: Mapping[str, Any], window_size: int, bank: Tensor, where: str) -> None:
    """Refuse a checkpoint whose spectrogram, which it carries as fixed tensors, is not the one computed here."""
    taper = torch.hann_window(window_size, dtype=torch.float64)
    steps = torch.arange(window_size // 2 + 1)[:, None] * torch.arange(window_size)
    phase = (steps % window_size) * (2.0 * math.pi / window_size)
    expected = {
        FIXED[0]: (phase.cos() * taper)[:, None],
        FIXED[1]: (-phase.sin() * taper)[:, None],
        MEL: bank.to_dense().T,
    }
    wrong = []
    for name, values in expected.items():
        fixed = state.get(name)
        if fixed is None:
            wrong.append(f"{name} is missing")
        elif fixed.shape != values.shape:
            wrong.append(f"{name} is {tuple(fixed.shape)}, not {tuple(values.shape)}")
        elif (fixed - values).abs().max() > 1e-4 * values.abs().max():
            wrong.append(f"{name} has other values")
    if wrong:
        raise DataError(
            f"{where} was trained on another spectrogram than its parameters describe: {'; '.join(wrong)}. Give "
            "sample_rate, window_size, mel_bins, fmin and fmax as in its training."
        )
