"""The encoder ``stereo_logmel``: the log-mel spectrograms of both microphones, and their coherence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import OnnxValue
from asdcore_plugins.encoders.bases.two_channels import TwoChannelEncoder
from asdcore_plugins.encoders.bases.weightless import LAYER, Audio, Written, beside
from asdcore_plugins.nn.as_onnx.cross_spectra import common_to_onnx, spectra_to_onnx
from asdcore_plugins.nn.as_onnx.spectra import whole
from asdcore_plugins.nn.front_ends.cross_spectra import FLOOR, Complex, Floats, common_in_blocks
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.front_ends.stft import power
from asdcore_plugins.stats.onnx_formulas import written


class StereoLogMel(TwoChannelEncoder):
    """The log-mel spectrograms of both microphones, and how coherent they are: an encoder without weights.

    For every frame and mel band there are three values: the near and the far channel's power density in dB, and the
    coherence gamma^2 of the channels in the second around the frame, a mean over the bins of the band
    (formulas: :mod:`asdcore_plugins.nn.front_ends.cross_spectra`). The scorer ``normal_relation`` reads them. 0 dB is
    1 (full scale)^2 / Hz, and digital silence is -160 dB. Patches are (n_clips, time, n_mels, 3), from frames without
    padding.

    Parameters
    ----------
    sample_rate, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.two_channels.TwoChannelEncoder`.
    n_mels : int
        Mel bands from 0 Hz to half the sample rate.
    seconds : float
        Length of what the coherence of a frame is estimated from.

    Examples
    --------
    Two microphones that hear the same are coherent throughout:

    >>> import asdcore, numpy as np
    >>> sound = np.random.default_rng(0).normal(size=48000).astype(np.float32)
    >>> encoder = asdcore.load_encoder("stereo_logmel")
    >>> near, far, coherence = np.moveaxis(encoder.encode(np.stack([sound, sound])[None])[0].patches[0], -1, 0)
    >>> near.shape, bool(np.allclose(near, far)), bool(np.allclose(coherence, 1))
    ((92, 64), True, True)
    """

    name = "stereo_logmel"
    gain = "offset"

    def __init__(
        self, sample_rate: int = 16000, n_mels: int = 64, n_fft: int = 1024, hop: int = 512, seconds: float = 1.0
    ) -> None:
        super().__init__(sample_rate, n_mels, n_fft, hop, seconds)

    def blocks(self, sound: Sound) -> Iterator[Audio]:
        """Yield blocks of (time, n_mels, 3)."""
        waiting: list[Floats] = []

        def heard() -> Iterator[Complex]:
            for spectra in self._spectra.blocks(sound):
                waiting.append(self._levels(spectra))
                yield spectra

        starts, stops = around(self._spectra.times(len(sound)), self._spectra.frames)
        for shared in common_in_blocks(heard(), starts, stops):
            coherence = self._bands(power(shared.coherency))
            # A frame's coherence is there later than its levels.
            levels, time = np.concatenate(waiting, axis=-1), coherence.shape[1]
            waiting[:] = [levels[..., time:]]
            values = np.stack([*levels[..., :time], coherence], axis=-1)
            yield values.transpose(1, 0, 2).astype(np.float32, order="C")

    def _levels(self, spectra: Complex) -> Floats:
        """(2, time, bins) -> dB (2, n_mels, time)."""
        powers = (self._bands(power(channel)) for channel in spectra)
        return np.stack([10.0 * np.log10(np.maximum(density, FLOOR)) for density in powers])

    def to_onnx(self, audio: OnnxValue, layers: Sequence[int | str]) -> Written:
        """Write the encoder: (2, n_samples) -> {0: patches (time, n_mels, 3)}."""
        spectra = spectra_to_onnx(audio, self._spectra)
        bank, zero, one = self._bands.bank.T, whole(audio, 0), whole(audio, 1)
        powers = (spectra * spectra).sum(3)
        levels = [10.0 * written(np.log10, (powers.take(channel) @ bank).op("Max", FLOOR)) for channel in (0, 1)]
        time, frames = spectra.op("Shape", start=1, end=2).take(0), whole(audio, self._spectra.frames)
        starts = (zero.op("Range", time, one) - whole(audio, self._spectra.frames // 2)).op("Max", zero)
        starts = starts.op("Min", (time - frames).op("Max", zero))
        shared = common_to_onnx(spectra, starts, (starts + frames).op("Min", time))
        return {LAYER: (beside(*levels, shared.coherence @ bank), None)}


def around(time: int, frames: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the ``frames`` nearest to each of ``time`` frames begin and end, all within the clip.

    Examples
    --------
    >>> starts, stops = around(time=5, frames=3)
    >>> starts.tolist(), stops.tolist()
    ([0, 0, 1, 2, 2], [3, 3, 4, 5, 5])
    """
    starts = np.clip(np.arange(time) - frames // 2, 0, max(0, time - frames))
    return starts, np.minimum(starts + frames, time)
