"""Front ends: waveforms -> log-mel and log-magnitude spectrograms, as the authors of the encoders define them.

All take (n_clips, n_samples) and return (n_clips, frames, n_mels) on the same device and of the same type: float32, or
float64 for an encoder that is asked to be exact. Everything is computed on the CPU in float64, a clip at a time and
with sparse filter banks, so that a clip's spectrogram is the same bits in any batch, with any number of threads and
wherever the network runs; torch alone computes it, whatever else is installed. The authors' float32 differs from it by
at most 3e-4 (natural logarithm), where a band is near its floor.
Frames are made and transformed in blocks that fit into a core's cache, which is faster than all of a clip at once, and
takes no more memory than the clip and its spectrogram do.

A clip too short for one frame raises DataError; the authors' code fails there too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn.front_ends.mel import Floats, kaldi_bank
from asdcore_plugins.nn.front_ends.sound import InMemory, Samples, Sound, mirrored

KALDI_FLOOR = 1.1920928955078125e-07
"""The smallest energy before Kaldi's logarithm: float32 epsilon."""

DB_FLOOR = 1e-10
"""The smallest power before a logarithm in dB: -100 dB."""

BLOCK = 64
"""Frames whose spectra are taken together: about 1 MB of them."""


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
    length, shift = int(sample_rate * frame_length * 0.001), int(sample_rate * frame_shift * 0.001)
    n_fft = 1 << (length - 1).bit_length()
    upper = high if high > 0.0 else sample_rate / 2.0 + high
    bank = torch_bank(kaldi_bank, sample_rate, n_fft, n_mels, low, upper)
    taper = _kaldi_window(window, length)

    def shaped(frames: Tensor) -> Tensor:
        if remove_dc:
            frames = frames - frames.mean(dim=1, keepdim=True)
        before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
        return torch.sub(frames, before, alpha=preemphasis).mul_(taper)

    def fbank(clip: Tensor) -> Tensor:
        return _energies(_inside(clip, length, shift), shaped, n_fft, bank).clamp_(min=KALDI_FLOOR).log_()

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
    bank = torch_bank(kaldi_bank, sample_rate, n_fft, n_mels, low, high)
    taper = torch.hann_window(win_length, periodic=False, dtype=torch.float64, device="cpu")

    def mel(clip: Tensor) -> Tensor:
        frames = _centred(_Emphasized(clip), win_length, n_fft, hop)
        return _energies(frames, taper.mul, n_fft, bank).add_(1e-5).log_().add_(4.5).div_(5.0)

    return _each(waveform, mel, needed=n_fft // 2 + 2, sample_rate=sample_rate)


def mel_db(
    waveform: Tensor, bank: Tensor, *, sample_rate: int, n_fft: int, hop: int, top_db: float | None = None
) -> Tensor:
    """The mel spectrogram in dB of PANNs and Dasheng: (n_clips, 1 + n_samples // hop, n_mels).

    bank : what :func:`torch_bank` returns for ``n_fft``. The power of a centred spectrum (periodic Hann window of
    ``n_fft`` samples, the clip mirrored at its ends), 10 log10(max(x, 1e-10)); with ``top_db``, nothing lies further
    than that below the clip's own maximum.
    """

    def decibels(clip: Tensor) -> Tensor:
        scaled = _decibels(_centred(InMemory(clip.numpy()), n_fft, n_fft, hop), n_fft, bank)
        return scaled if top_db is None else scaled.clamp(min=scaled.max() - top_db)

    return _each(waveform, decibels, needed=n_fft // 2 + 1, sample_rate=sample_rate)


def frames_db(frames: Tensor, bank: Tensor) -> Tensor:
    """Frames (n, n_fft) of float64 -> their mel powers in dB (n_mels, n), as :func:`mel_db` has them."""
    return _decibels(_Frames(len(frames), lambda start, stop: frames[start:stop]), frames.shape[1], bank)


def log_stft(waveform: Tensor, *, sample_rate: int, floor: float, mean: float, std: float) -> Tensor:
    """The front end of FISHER and ECHO at any sample rate: (n_clips, 1 + (n_samples - n_fft) // hop, n_fft // 2 + 1).

    The clip's mean is removed; the magnitude of a spectrum of 25 ms every 10 ms (periodic Hann window, no padding);
    then (ln(x + floor) - mean) / (2 std). A bin is about 40 Hz wide at every rate.
    """
    n_fft, hop = stft_size(sample_rate)
    taper = torch.hann_window(n_fft, dtype=torch.float64, device="cpu")

    def logarithm(clip: Tensor) -> Tensor:
        power = _energies(_inside(clip, n_fft, hop, clip.double().mean()), taper.mul, n_fft, None)
        return power.sqrt_().add_(floor).log_().sub_(mean).div_(2.0 * std)

    return _each(waveform, logarithm, needed=n_fft, sample_rate=sample_rate)


def stft_size(sample_rate: int) -> tuple[int, int]:
    """Return the samples of a frame of 25 ms and from one to the next, 10 ms, both rounded down.

    Examples
    --------
    >>> stft_size(25600), stft_size(22050)
    ((640, 256), (551, 220))
    """
    return 25 * sample_rate // 1000, 10 * sample_rate // 1000


def longest_spectrum(sample_rate: int) -> float:
    """Return of how many seconds :func:`log_stft` is taken at most: 20 minutes at 16 kHz, fewer at higher rates.

    The mean of the whole clip is removed first, so the clip is held.

    Examples
    --------
    >>> longest_spectrum(16000), longest_spectrum(48000)
    (1200.0, 400.0)
    """
    return 1200.0 * 16000 / max(16000, sample_rate)


def check_length(n_samples: int, needed: int, sample_rate: int) -> None:
    """Refuse clips with fewer samples than an encoder needs; raises DataError that says how many those are."""
    if n_samples < needed:
        raise DataError(
            f"a clip of {n_samples} samples at {sample_rate} Hz is too short for this encoder, which needs {needed} "
            f"({1000 * needed / sample_rate:.4g} ms). Lengthen the clip, or leave it out of the dataset."
        )


class _Frames(NamedTuple):
    """Frames of a clip: how many, and what makes some of them (stop - start, length) in float64."""

    n: int
    read: Callable[[int, int], Tensor]


@dataclass(frozen=True)
class _Emphasized:
    """What x[i + 1] - 0.97 x[i] makes of a clip x, as a sound in float64."""

    clip: Tensor

    def __len__(self) -> int:
        return len(self.clip) - 1

    def read(self, start: int, stop: int) -> Samples:
        """Return samples; none lie beyond the ends."""
        part = self.clip[start : stop + 1].double()
        emphasized: Samples = torch.sub(part[1:], part[:-1], alpha=0.97).numpy()
        return emphasized


def _each(waveform: Tensor, front_end: Callable[[Tensor], Tensor], *, needed: int, sample_rate: int) -> Tensor:
    """(n_clips, n_samples) -> (n_clips, frames, n_mels) of the same type, by a front end of one clip."""
    check_length(waveform.shape[1], needed, sample_rate)
    return torch.stack([front_end(clip).T.to(waveform.dtype) for clip in waveform.cpu()]).to(waveform.device)


def _inside(clip: Tensor, length: int, hop: int, offset: Tensor | None = None) -> _Frames:
    """Frames that lie fully inside a clip, less an offset."""

    def read(start: int, stop: int) -> Tensor:
        part = clip[start * hop : (stop - 1) * hop + length].double()
        return (part if offset is None else part - offset).unfold(0, length, hop)

    return _Frames((len(clip) - length) // hop + 1, read)


def _centred(sound: Sound, length: int, n_fft: int, hop: int) -> _Frames:
    """Frames around every ``hop``-th sample, the sound mirrored over half an FFT."""
    before = n_fft // 2 - (n_fft - length) // 2

    def read(start: int, stop: int) -> Tensor:
        part = mirrored(sound, start * hop - before, (stop - 1) * hop - before + length)
        return torch.from_numpy(part).double().unfold(0, length, hop)

    return _Frames(len(sound) // hop + 1, read)


def _decibels(frames: _Frames, n_fft: int, bank: Tensor) -> Tensor:
    """Return mel powers in dB (n_mels, n)."""
    taper = torch.hann_window(n_fft, dtype=torch.float64, device="cpu")
    return _energies(frames, taper.mul, n_fft, bank).clamp_(min=DB_FLOOR).log10_().mul_(10.0)


def _energies(frames: _Frames, shaped: Callable[[Tensor], Tensor], n_fft: int, bank: Tensor | None) -> Tensor:
    """Frames, their shape before an FFT, filter bank (n_mels, bins) -> energies (n_mels, n).

    Without a bank, the power of every bin (bins, n).
    """
    n = frames.n
    energies = torch.empty(n_fft // 2 + 1 if bank is None else len(bank), n, dtype=torch.float64, device="cpu")
    padded = torch.zeros(min(n, BLOCK), n_fft, dtype=torch.float64, device="cpu")
    for start in range(0, n, BLOCK):
        block, read = padded[: n - start], frames.read(start, min(start + BLOCK, n))
        block[:, : read.shape[1]] = shaped(read)
        # Squared in place, real and imaginary parts side by side: nothing is gathered from a stride.
        squares = torch.view_as_real(torch.fft.rfft(block)).square_()
        power = squares[..., 0].add_(squares[..., 1])
        energies[:, start : start + BLOCK] = power.T if bank is None else torch.sparse.mm(bank, power.T)
    return energies


@functools.cache
def torch_bank(
    bank: Callable[[int, int, int, float, float], Floats],
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    low: float,
    high: float,
) -> Tensor:
    """Return a bank of :mod:`asdcore_plugins.nn.front_ends.mel` as a sparse float64 tensor (n_mels, n_fft // 2 + 1)."""
    # A copy, since torch warns of arrays that it may not write to.
    return torch.from_numpy(bank(sample_rate, n_fft, n_mels, low, high).copy()).to_sparse().coalesce()


@functools.cache
def _kaldi_window(name: str, length: int) -> Tensor:
    powers = {"povey": 0.85, "hanning": 1.0}
    if name not in powers:
        raise ValueError(f"window is {name!r}; allowed are {', '.join(map(repr, powers))}")
    return torch.hann_window(length, periodic=False, dtype=torch.float64, device="cpu").pow(powers[name])
