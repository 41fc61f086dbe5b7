"""The base of encoders without weights that compare two microphones, the near and the far one."""

from __future__ import annotations

from asdcore_plugins.encoders.bases.in_blocks import BlockEncoder
from asdcore_plugins.encoders.bases.weightless import Audio
from asdcore_plugins.nn.front_ends.cross_spectra import CrossSpectra, both_channels, unit_bands


class TwoChannelEncoder(BlockEncoder):
    """An encoder of the near and the far channel. A child makes its blocks of ``_spectra`` and ``_bands``.

    Parameters
    ----------
    sample_rate, n_fft, hop : int
        As in :class:`~asdcore_plugins.encoders.bases.weightless.WeightlessEncoder`.
    n_bands : int
        Mel bands from 0 Hz to half the sample rate.
    seconds : float
        Length of what a coherence is estimated from.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a mel band holds no frequency.

    Notes
    -----
    Costs two FFTs of n_fft samples for every hop. A long recording is read block by block.
    """

    channels = 2

    def __init__(self, sample_rate: int, n_bands: int, n_fft: int, hop: int, seconds: float) -> None:
        self.sample_rate = sample_rate
        self._spectra = CrossSpectra(sample_rate, n_fft, hop, seconds)
        self._bands = unit_bands(sample_rate, n_fft, n_bands)

    def check(self, audio: Audio) -> None:
        """Raise DataError unless the clips are (n_clips, 2, n_samples)."""
        both_channels(audio, self.name)
