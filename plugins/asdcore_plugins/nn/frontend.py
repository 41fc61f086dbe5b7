"""Front ends: waveforms -> log-mel spectrograms, as the authors of the encoders define them.

All take (n_clips, n_samples) float32 and return (n_clips, frames, n_mels) float32 on the same device. Everything is
computed on the CPU in float64, a clip at a time and with sparse filter banks, so that a clip's spectrogram is the same
bits in any batch, with any number of threads and wherever the network runs; torch alone computes it, whatever else is
installed. The authors' float32 differs from it by at most 3e-4 (natural logarithm), where a band is near its floor.

A clip too short for one frame raises DataError; the authors' code fails there too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from asdcore import DataError
from asdcore_plugins.nn.mel import kaldi_bank

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

KALDI_FLOOR = 1.1920928955078125e-07
"""The smallest energy before Kaldi's logarithm: float32 epsilon."""

DB_FLOOR = 1e-10
"""The smallest power before a logarithm in dB: -100 dB."""


def kaldi_fbank(
    waveform: Tensor,
    *,
    sample_rate: int = 16000,
    n_mels: int = 128,
    window: str = "povey",
    frame_length: float = 25.0,
    frame_shift: float = 10.0,
    low: float = 20.0,
    high: float = 0.0,
    preemphasis: float = 0.97,
    remove_dc: bool = True,
) -> Tensor:
    """Kaldi's log-mel filter bank energies without dither: (n_clips, 1 + (n_samples - length) // shift, n_mels).

    As Kaldi's ``compute-fbank-feats`` and ``torchaudio.compliance.kaldi.fbank`` define them.
    frame_length, frame_shift : ms. window : "povey" (Hann ** 0.85) or "hanning", both symmetric. low, high : Hz; a
    ``high`` of 0 or less counts from half the sample rate. Frames lie fully inside the clip (Kaldi's ``snip_edges``).
    In each, the mean is removed, x[i] - preemphasis * x[i - 1] taken (the first sample being its own predecessor), the
    window applied and zeros appended to a power of two; then ln(max(energy, 1.19e-07)) of each band.
    """
    import torch

    length, shift = int(sample_rate * frame_length * 0.001), int(sample_rate * frame_shift * 0.001)
    n_fft = 1 << (length - 1).bit_length()
    bank = kaldi_bank(sample_rate, n_fft, n_mels, low, high if high > 0.0 else sample_rate / 2.0 + high)
    taper = _kaldi_window(window, length)

    def fbank(clip: Tensor) -> Tensor:
        frames = clip.unfold(0, length, shift)
        if remove_dc:
            frames = frames - frames.mean(dim=1, keepdim=True)
        before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
        spectrum = torch.fft.rfft((frames - preemphasis * before) * taper, n_fft)
        return _bands(bank, spectrum.T).clamp(min=KALDI_FLOOR).log()

    return _each(waveform, fbank, needed=length, sample_rate=sample_rate)


def passt_mel(
    waveform: Tensor,
    *,
    sample_rate: int = 32000,
    n_mels: int = 128,
    n_fft: int = 1024,
    win_length: int = 800,
    hop: int = 320,
    low: float = 0.0,
    high: float = 15000.0,
) -> Tensor:
    """The front end of PaSST and EfficientAT: (n_clips, 1 + (n_samples - 1) // hop, n_mels).

    x[i + 1] - 0.97 x[i], one sample shorter than the clip; the power of a centred spectrum (symmetric Hann window of
    ``win_length`` samples, the clip mirrored at its ends); Kaldi's mel bands from ``low`` to ``high`` Hz; then
    (ln(x + 1e-5) + 4.5) / 5.
    """
    import torch

    bank = kaldi_bank(sample_rate, n_fft, n_mels, low, high)
    taper = torch.hann_window(win_length, periodic=False, dtype=torch.float64, device="cpu")

    def mel(clip: Tensor) -> Tensor:
        spectrum = _centred(clip[1:] - 0.97 * clip[:-1], n_fft, hop, taper)
        return ((_bands(bank, spectrum) + 1e-5).log() + 4.5) / 5.0

    return _each(waveform, mel, needed=n_fft // 2 + 2, sample_rate=sample_rate)


def mel_db(
    waveform: Tensor, bank: Tensor, *, sample_rate: int, n_fft: int, hop: int, top_db: float | None = None
) -> Tensor:
    """The mel spectrogram in dB of PANNs and Dasheng: (n_clips, 1 + n_samples // hop, n_mels).

    bank : a filter bank of :mod:`asdcore_plugins.nn.mel` for ``n_fft``. The power of a centred spectrum (periodic Hann
    window of ``n_fft`` samples, the clip mirrored at its ends), 10 log10(max(x, 1e-10)); with ``top_db``, nothing lies
    further than that below the clip's own maximum.
    """
    import torch

    taper = torch.hann_window(n_fft, dtype=torch.float64, device="cpu")

    def decibels(clip: Tensor) -> Tensor:
        scaled = 10.0 * _bands(bank, _centred(clip, n_fft, hop, taper)).clamp(min=DB_FLOOR).log10()
        return scaled if top_db is None else scaled.clamp(min=scaled.max() - top_db)

    return _each(waveform, decibels, needed=n_fft // 2 + 1, sample_rate=sample_rate)


def check_length(n_samples: int, needed: int, sample_rate: int) -> None:
    """Refuse clips with fewer samples than an encoder needs; raises DataError that says how many those are."""
    if n_samples < needed:
        raise DataError(
            f"a clip of {n_samples} samples at {sample_rate} Hz is too short for this encoder, which needs {needed} "
            f"({1000 * needed / sample_rate:.4g} ms). Lengthen the clip, or leave it out of the dataset."
        )


def _each(waveform: Tensor, front_end: Callable[[Tensor], Tensor], *, needed: int, sample_rate: int) -> Tensor:
    """(n_clips, n_samples) -> (n_clips, frames, n_mels) float32 by a front end of one float64 clip."""
    import torch

    check_length(waveform.shape[1], needed, sample_rate)
    return torch.stack([front_end(clip).T.float() for clip in waveform.cpu().double()]).to(waveform.device)


def _centred(clip: Tensor, n_fft: int, hop: int, taper: Tensor) -> Tensor:
    """(n_samples,) -> complex spectrum (bins, frames), a frame centred on every ``hop``-th sample."""
    import torch

    return torch.stft(clip, n_fft, hop, len(taper), taper, center=True, pad_mode="reflect", return_complex=True)


def _bands(bank: Tensor, spectrum: Tensor) -> Tensor:
    """Filter bank (n_mels, bins), complex spectrum (bins, frames) -> energies (n_mels, frames)."""
    import torch

    bands: Tensor = torch.sparse.mm(bank, (spectrum.real.square() + spectrum.imag.square()).contiguous())
    return bands


@functools.cache
def _kaldi_window(name: str, length: int) -> Tensor:
    import torch

    powers = {"povey": 0.85, "hanning": 1.0}
    if name not in powers:
        raise ValueError(f"window is {name!r}; allowed are {', '.join(map(repr, powers))}")
    return torch.hann_window(length, periodic=False, dtype=torch.float64, device="cpu").pow(powers[name])
