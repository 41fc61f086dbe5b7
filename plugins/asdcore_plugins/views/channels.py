"""Views that pick, average or subtract the channels of a recording.

Since 2026 the DCASE recordings have two channels. The first is the near microphone at the machine, which is what
earlier years recorded. The second is a far microphone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue
from asdcore_plugins.nn.front_ends.stft import near_and_far
from asdcore_plugins.views.bases.view import ChannelView

NEAR, FAR = 0, 1


class Channel(ChannelView):
    """One channel, as recorded.

    Parameters
    ----------
    channel : int
        Its number: 0 is the near channel, 1 the far one.

    Examples
    --------
    >>> import numpy as np
    >>> Channel(1)(np.array([[1, 2], [3, 4]], dtype=np.float32), 16000)
    array([3., 4.], dtype=float32)
    """

    samplewise = True

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def _heard(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        if len(audio) <= self._channel:
            raise DataError(
                f"the far channel is asked for, but the recording has {len(audio)} channel. "
                "Use the view 'near' for recordings of one channel."
            )
        channel: NDArray[np.float32] = audio[self._channel].copy()
        return channel

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (n_channels, n_samples) -> (n_samples,)."""
        return audio.take(self._channel)


class Mean(ChannelView):
    """The mean of all channels.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> asdcore.load_view("mean")(np.array([[1, 2], [3, 4]], dtype=np.float32), 16000)
    array([2., 3.], dtype=float32)
    """

    samplewise = True

    def _heard(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        mixed: NDArray[np.float32] = audio.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mixed

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (n_channels, n_samples) -> (n_samples,)."""
        return audio.mean(0).astype(np.float32).astype(np.float64)


class Difference(ChannelView):
    """Near minus far, sample by sample: as a gradient microphone, it is deaf to low sound from afar.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> asdcore.load_view("difference")(np.array([[5, 2], [3, 4]], dtype=np.float32), 16000)
    array([ 2., -2.], dtype=float32)
    """

    samplewise = True

    def _heard(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        channels = near_and_far(audio, "difference")
        difference: NDArray[np.float32] = (channels[0] - channels[1]).astype(np.float32)
        return difference

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (2, n_samples) -> (n_samples,)."""
        return (audio.take(NEAR) - audio.take(FAR)).astype(np.float32).astype(np.float64)


class Stereo(ChannelView):
    """Both channels as recorded, for encoders that compare them.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> asdcore.load_view("stereo")(np.zeros((2, 16000), dtype=np.float32), 16000).shape
    (2, 16000)
    """

    channels = 2
    samplewise = True

    def _heard(self, audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        return near_and_far(audio, "stereo").astype(np.float32)

    def to_onnx(self, audio: OnnxValue, sample_rate: int) -> OnnxValue:
        """Write the view: (2, n_samples) -> (2, n_samples)."""
        return audio


def near() -> Channel:
    """The first channel: the microphone near the machine.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> asdcore.load_view("near")(np.array([[1, 2], [3, 4]], dtype=np.float32), 16000)
    array([1., 2.], dtype=float32)
    """
    return Channel(NEAR)


def far() -> Channel:
    """The second channel: the microphone farther away.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> asdcore.load_view("far")(np.array([[1, 2], [3, 4]], dtype=np.float32), 16000)
    array([3., 4.], dtype=float32)
    """
    return Channel(FAR)
