"""Kaldi's filter bank for training: on the CPU that of every encoder, on a GPU the same formulas on the GPU.

On the CPU a clip's spectrogram is the same bits in any batch, clip after clip. A GPU would wait for that, so there all
clips of a batch go through one transform, in float64 too; the last bits differ.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from asdcore_plugins.nn.front_ends.mel import kaldi_bank
from asdcore_plugins.nn.front_ends.spectrograms import KALDI_FLOOR, kaldi_fbank, torch_bank

RATE, LENGTH, SHIFT, N_FFT = 16000, 400, 160, 512
POWERS = {"povey": 0.85, "hanning": 1.0}


def fbank(wave: Tensor, *, window: str, n_mels: int = 128) -> Tensor:
    """Return Kaldi's log-mel energies of a batch, by :func:`asdcore_plugins.nn.front_ends.spectrograms.kaldi_fbank`.

    Parameters
    ----------
    wave : (batch, n_samples) tensor
        Sound at 16 kHz.
    window : str
        "povey" or "hanning".
    n_mels : int
        Bands.

    Returns
    -------
    (batch, frames, n_mels) tensor
        On the same device and of the same type.

    Raises
    ------
    DataError
        If a clip is too short for one frame.
    """
    if wave.device.type == "cpu":
        return kaldi_fbank(wave, window=window, n_mels=n_mels)
    return batched_fbank(wave, window=window, n_mels=n_mels)


def batched_fbank(wave: Tensor, *, window: str, n_mels: int = 128) -> Tensor:
    """Return the same as :func:`fbank` on the wave's device, all clips at once in float64."""
    taper = torch.hann_window(LENGTH, periodic=False, dtype=torch.float64, device=wave.device).pow(POWERS[window])
    bank = torch_bank(kaldi_bank, RATE, N_FFT, n_mels, 20.0, RATE / 2.0).to_dense().to(wave.device)
    frames = wave.double().unfold(1, LENGTH, SHIFT)
    frames = frames - frames.mean(dim=2, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
    spectrum = torch.fft.rfft(pad((frames - 0.97 * before) * taper, (0, N_FFT - LENGTH)))
    energies: Tensor = spectrum.abs().square() @ bank.T
    return energies.clamp(min=KALDI_FLOOR).log().to(wave.dtype)
