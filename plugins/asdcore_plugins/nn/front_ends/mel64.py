"""The front end that Dasheng and CED share: 64 mel bands in dB at 16 kHz, and what checkpoints hold of it.

Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends.mel import htk_bank
from asdcore_plugins.nn.front_ends.spectrograms import mel_db, torch_bank

RATE, N_FFT, HOP, BANDS = 16000, 512, 160, 64


def mel64(audio: Tensor) -> Tensor:
    """(n_clips, n_samples) -> mel spectrogram in dB (n_clips, 1 + n_samples // 160, 64).

    A centred power spectrum of 512 samples (periodic Hann window, the clip mirrored at its ends) every 10 ms, 64 HTK
    mel bands up to 8 kHz, 10 log10, nothing further than 120 dB below the clip's own maximum.
    """
    return mel_db(audio, _bank(), sample_rate=RATE, n_fft=N_FFT, hop=HOP, top_db=120.0)


def other_tensors(state: Mapping[str, Any], where: str) -> list[str]:
    """Return the names of the front end's tensors in a checkpoint that are not what :func:`mel64` has."""
    own = {
        "front_end.0.spectrogram.window": torch.hann_window(N_FFT),
        "front_end.0.mel_scale.fb": _bank().to_dense().T.float(),
    }
    return [
        name
        for name, ours in own.items()
        if checkpoints.shape(state, name, ours.ndim, where=where) != ours.shape
        or not torch.allclose(state[name].float(), ours, atol=1e-4)
    ]


def _bank() -> Tensor:
    return torch_bank(htk_bank, RATE, N_FFT, BANDS, 0.0, RATE / 2)
