"""The view ``wiener``: a gain from how much louder the near channel is than the far one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue
from asdcore_plugins.nn.as_onnx.spectra import count
from asdcore_plugins.nn.as_onnx.stft import percentile_to_onnx, spectra_to_onnx, waveform_to_onnx
from asdcore_plugins.nn.front_ends.mel import MOST, MelSums, slaney_bank
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.spooled_mels import LEAST, SpooledMels
from asdcore_plugins.nn.front_ends.stft import power
from asdcore_plugins.nn.front_ends.stft_blocks import BlockSpectra, silence
from asdcore_plugins.views.bases.view import SpectralView

Floats = NDArray[np.float64]


class Wiener(SpectralView):
    """A Wiener-like gain that a clip calibrates itself: how much louder near than far, against its own calm parts.

    With M1 and M2 the mel powers of the near and far channel, rho = M1 / M2 in every frame and band. c is a low
    percentile of rho over the frames of the clip in that band, which is rho while the machine is quiet. The gain is
    G = clip(1 - beta c / rho, floor, 1)^alpha. Between the centres of bands it is interpolated, linearly in Hz, and
    outside of them it stays constant. Y = G C with C the near spectrum.

    The view needs no coherence between the microphones, but a machine that pauses: one that runs steadily has a rho
    near c throughout, and is taken for noise. ``asdcore audit-views`` shows what it does to your data.

    Parameters
    ----------
    beta : float
        How much of the calm ratio is subtracted, 0 or more.
    alpha : float
        Exponent of the gain, above 0.
    floor : float
        Smallest gain before the exponent, above 0 and at most 1.
    percentile : float
        Percentile of the ratio that is taken for calm, from 0 to 100.
    n_mels : int
        Mel bands, 2 or more.
    n_fft, hop : int
        Of frames; see :class:`~asdcore_plugins.views.bases.view.SpectralView`.

    Notes
    -----
    Mel powers have a floor 120 dB below the clip's loudest, so that a silent channel is a ratio like any other. Two
    FFTs and one inverse for each frame. The method is described, without the number of bands, in the public 2026
    project SCOPE, where it neither helped nor harmed.

    Examples
    --------
    A machine that runs in the second half of a clip stands out of noise that both microphones hear:

    >>> import asdcore, numpy as np
    >>> draw = np.random.default_rng(0)
    >>> noise, machine = draw.normal(size=(2, 32000)).astype(np.float32)
    >>> machine[:16000] = 0
    >>> view = asdcore.load_view("wiener")
    >>> quiet, running = np.split(view(np.stack([noise + 3 * machine, noise]), sample_rate=16000), 2)
    >>> bool(running.std() > 3 * quiet.std())
    True
    """

    name = "wiener"

    def __init__(
        self,
        beta: float = 1.0,
        alpha: float = 1.0,
        floor: float = 0.05,
        percentile: float = 20.0,
        n_mels: int = 64,
        n_fft: int = 1024,
        hop: int = 512,
    ) -> None:
        if not (0 <= beta < math.inf and 0 < alpha < math.inf and 0 < floor <= 1 and 0 <= percentile <= 100):
            raise ValueError(
                "beta must be 0 or more, alpha above 0, floor above 0 and at most 1, percentile from 0 to 100, got "
                f"beta={beta}, alpha={alpha}, floor={floor}, percentile={percentile}"
            )
        if not 2 <= n_mels <= MOST:
            raise ValueError(f"n_mels must be at least 2 and at most {MOST}, got {n_mels}")
        self._beta, self._alpha, self._floor, self._percentile = beta, alpha, floor, percentile
        self._n_mels = n_mels
        super().__init__(n_fft, hop)

    def _made(
        self, sound: Sound, spectra: BlockSpectra, sample_rate: int, temporary: Callable[[], IO[bytes]]
    ) -> Iterator[Floats]:
        mel, centres, _ = _bands(sample_rate, self._stft.n_fft, self._n_mels)
        with temporary() as file:
            mels = SpooledMels(file)
            for channels in spectra():
                mels.append(np.stack([mel(power(channel)) for channel in channels]))
            if mels.loudest == 0.0:
                yield from silence(sound)
                return
            calm = mels.calm(self._percentile)
            bins = np.arange(self._stft.n_fft // 2 + 1) * (sample_rate / self._stft.n_fft)
            yield from spectra.waveform(
                near * np.stack([np.interp(bins, centres, frame) for frame in self._gain(ratio, calm)])
                for (near, _), ratio in zip(spectra(), mels.ratios(), strict=True)
            )

    def _gain(self, ratio: Floats, calm: Floats) -> Floats:
        """(time, n_mels) near power over far power, and what it is in calm parts (n_mels,) -> gain (time, n_mels)."""
        gain: Floats = np.clip(1.0 - self._beta * calm / ratio, self._floor, 1.0) ** self._alpha
        return gain

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (2, n_samples) -> (n_samples,)."""
        _, centres, bank = _bands(sample_rate, self._stft.n_fft, self._n_mels)
        spectra = [spectra_to_onnx(self._stft, audio.take(channel)) for channel in (0, 1)]
        mels = [channel.power() @ bank.T for channel in spectra]
        loudest = mels[0].op("Max", mels[1]).max(0, 1)
        # Silence stays silence, whatever its gain.
        least = LEAST * (loudest > 0.0).op("Where", loudest, 1.0)
        ratio = (mels[0] + least) / (mels[1] + least)
        calm = percentile_to_onnx(ratio, self._percentile)
        gain = (1.0 - self._beta * calm / ratio).op("Max", self._floor).op("Min", 1.0) ** self._alpha
        bins = np.arange(self._stft.n_fft // 2 + 1) * (sample_rate / self._stft.n_fft)
        smooth = gain @ np.stack([np.interp(bins, centres, band) for band in np.eye(self._n_mels)])
        waveform = waveform_to_onnx(self._stft, spectra[0].scaled(smooth), count(audio.take(0)))
        return waveform.astype(np.float32).astype(np.float64)


@functools.lru_cache(maxsize=8)
def _bands(sample_rate: int, n_fft: int, n_mels: int) -> tuple[MelSums, Floats, Floats]:
    """Return the sums over mel bands, the frequency in Hz at which each band is widest open, and the bands' weights."""
    bank = slaney_bank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2.0)
    if empty := int((~bank.any(axis=1)).sum()):
        raise DataError(
            f"{empty} of {n_mels} mel bands of the view 'wiener' hold no frequency of an FFT of {n_fft} samples at "
            f"{sample_rate} Hz: lower n_mels or raise n_fft"
        )
    weights = bank / bank.sum(axis=1, keepdims=True)
    # A band's own mean frequency: distinct for every band, however few bins it has.
    centres: Floats = (weights * (np.arange(bank.shape[1]) * (sample_rate / n_fft))).sum(axis=1)
    return MelSums(bank), centres, bank
