"""The front end that Dasheng and CED share: 64 mel bands in dB at 16 kHz, and what checkpoints hold of it.

Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.front_ends.mel import htk_bank
from asdcore_plugins.nn.front_ends.sound import Sound, mirrored
from asdcore_plugins.nn.front_ends.spectrograms import frames_db, mel_db, torch_bank

RATE, N_FFT, HOP, BANDS, TOP_DB = 16000, 512, 160, 64, 120.0


def mel64(audio: Tensor) -> Tensor:
    """(n_clips, n_samples) -> mel spectrogram in dB (n_clips, 1 + n_samples // 160, 64).

    A centred power spectrum of 512 samples (periodic Hann window, the clip mirrored at its ends) every 10 ms, 64 HTK
    mel bands up to 8 kHz, 10 log10, nothing further than 120 dB below the clip's own maximum.
    """
    return mel_db(audio, _bank(), sample_rate=RATE, n_fft=N_FFT, hop=HOP, top_db=TOP_DB)


def mel64_pieces(sound: Sound, frames: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """Yield what :func:`mel64` returns of a sound of any length, (1, n, 64) of ``dtype``, piece by piece.

    A piece has ``frames`` frames; a rest is with the last one. The sound is read twice, the first time for its maximum.
    """
    n = 1 + len(sound) // HOP
    starts = range(0, n - n % frames, frames) if n >= frames else range(1)
    places = [(start, start + frames) for start in starts]
    places[-1] = (places[-1][0], n)
    # A maximum knows no order.
    least = max(float(_decibels(sound, *place).max()) for place in places) - TOP_DB
    for place in places:
        yield _decibels(sound, *place).clamp(min=least).T.to(dtype)[None]


def _decibels(sound: Sound, first: int, last: int) -> Tensor:
    """Return frames ``first`` to ``last`` of a sound in dB, (64, n) float64."""
    samples = mirrored(sound, first * HOP - N_FFT // 2, (last - 1) * HOP + N_FFT // 2)
    return frames_db(torch.from_numpy(samples).double().unfold(0, N_FFT, HOP), _bank())


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
