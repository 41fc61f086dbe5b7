"""The augmentation ``specaug``: a stretch of time and one of frequency fall silent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asdcore_plugins.trained.augmentations.augmentation import Augmentation, Draws, applied, check_probability


class SpecAug(Augmentation):
    """SpecAugment: one mask of time and one of frequency, each drawn for each sample, filled with zeros.

    A waveform goes through a short-time spectrum (periodic Hann window, zeros beyond the ends), whose magnitude is
    masked and whose phase stays.

    Parameters
    ----------
    time_width, freq_width : int
        The largest width, in frames and bins: a mask is u times it wide, u uniform in [0, 1), rounded down.
    time_probability, freq_probability : float
        How likely a sample gets each mask.
    stage : str
        "wave", or "magnitude" for a spectrogram (batch, frequency, time).
    n_fft : int
        Length of a frame of a waveform's spectrum, in samples; the hop is a quarter of it.

    References
    ----------
    Park, Chan, Zhang, Chiu, Zoph, Cubuk and Le, "SpecAugment: a simple data augmentation method for automatic speech
    recognition", Interspeech 2019, sec. 2. One mask of each kind and no warping, as ASDKit has it.
    """

    def __init__(
        self,
        time_width: int = 80,
        freq_width: int = 80,
        time_probability: float = 0.5,
        freq_probability: float = 0.5,
        stage: str = "wave",
        n_fft: int = 1024,
    ) -> None:
        if stage not in ("wave", "magnitude"):
            raise ValueError(f"stage is {stage!r}; allowed are wave and magnitude")
        if time_width < 0 or freq_width < 0 or n_fft < 4 or n_fft % 4:
            raise ValueError(
                f"time_width is {time_width}, freq_width {freq_width}, n_fft {n_fft}; allowed are widths of at least 0 "
                "and an n_fft that 4 divides"
            )
        self.stage, self.n_fft = stage, n_fft
        self.time_width, self.time_probability = time_width, check_probability(time_probability)
        self.freq_width, self.freq_probability = freq_width, check_probability(freq_probability)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None) -> Draws:
        """Return ``time_start``, ``time_width``, ``time_apply`` and those of ``freq``, (batch,) each."""
        if self.stage == "wave":
            bins, frames = self.n_fft // 2 + 1, shape[1] // (self.n_fft // 4) + 1
        else:
            bins, frames = shape[1], shape[2]
        time = self._mask("time", shape[0], frames, self.time_width, self.time_probability, generator)
        return time | self._mask("freq", shape[0], bins, self.freq_width, self.freq_probability, generator)

    def _mask(
        self, of: str, batch: int, size: int, widest: int, probability: float, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        width, place = (torch.rand(batch, generator=generator) if generator else torch.zeros(batch) for _ in range(2))
        width = width * min(widest, size)
        return {
            f"{of}_start": (place * (size - width)).floor().long(),
            f"{of}_width": width.floor().long(),
            f"{of}_apply": applied(batch, probability, generator),
        }

    def change(self, values: Tensor, draws: Draws) -> Tensor:
        """Mask waveforms (batch, n_samples), or spectrograms (batch, frequency, time)."""
        return self.wave(values, draws) if self.stage == "wave" else self.spectrogram(values, draws)

    def spectrogram(self, values: Tensor, draws: Draws) -> Tensor:
        """Mask spectrograms (batch, frequency, time), real or complex."""
        columns = _inside(draws, "time", values.shape[2], values.device)
        rows = _inside(draws, "freq", values.shape[1], values.device)
        return values.masked_fill(columns[:, None, :] | rows[:, :, None], 0.0)

    def wave(self, values: Tensor, draws: Draws) -> Tensor:
        """Mask waveforms (batch, n_samples) by way of their spectra."""
        hop = self.n_fft // 4
        window = torch.hann_window(self.n_fft, dtype=values.dtype, device=values.device)
        spectra = torch.stft(
            values, self.n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True
        )
        masked = self.spectrogram(spectra, draws)
        return torch.istft(masked, self.n_fft, hop, window=window, center=True, length=values.shape[1])


def _inside(draws: Draws, of: str, size: int, device: torch.device) -> Tensor:
    """Return which of ``size`` places a mask covers, (batch, size)."""
    start, width, apply = (draws[f"{of}_{part}"].to(device)[:, None] for part in ("start", "width", "apply"))
    places = torch.arange(size, device=device)
    return (places >= start) & (places < start + width) & (apply > 0)
