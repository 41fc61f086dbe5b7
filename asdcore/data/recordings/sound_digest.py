"""The digest of what a recording sounds like: the same for a wav, its FLAC, and a copy with another header.

The digest of a file's bytes tells whether a file is the same. Whether two files hold the same sound, so that a test
clip is a train clip in another format, only the samples tell: sample rate, channels, and every sample as
:func:`asdcore.data.recordings.audio.decode` gives it. The samples of 8, 16 and 24 bits are exact there; those of 32
bits and of double precision are digested as they are heard, in single precision. A sound of whole 16-bit numbers has
the same digest whichever format holds it.

FLAC files carry an MD5 of their samples. It is not used: whoever wrote the file has filled it in, or left it empty, and
no decoder here compares it.

    sha256("asdcore sound 1", sample rate, channels, then of each block of 2^20 samples a channel: "i2" and the samples
    as 16-bit integers if all of them are such, else "f4" and the samples as floats; interleaved, little-endian)
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0


class SoundDigest:
    """Digests a recording block by block; blocks must be cut at the same places in every format.

    Examples
    --------
    >>> import numpy as np
    >>> whole, part = SoundDigest(16000, 1), SoundDigest(16000, 1)
    >>> whole.update(np.array([[1], [-2]], np.int16))
    >>> part.update(np.array([[1], [-2]], np.float32) / 32768)
    >>> whole.hexdigest() == part.hexdigest()
    True
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._digest = hashlib.sha256(f"asdcore sound 1 {sample_rate} {channels} ".encode())

    def update(self, block: NDArray[Any]) -> None:
        """Add a block (n_samples, n_channels) of int16, or of float32 in [-1, 1]."""
        if block.dtype != np.int16:
            scaled = block * np.float32(FULL_SCALE)
            whole = np.clip(np.nan_to_num(scaled), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
            # A float of -0.0 is the same sound as one of 0.0, and other bits.
            block = whole if np.array_equal(whole, scaled) else block + np.float32(0.0)
        kind = b"i2" if block.dtype == np.int16 else b"f4"
        self._digest.update(kind)
        self._digest.update(np.ascontiguousarray(block, dtype="<i2" if kind == b"i2" else "<f4").data)

    def hexdigest(self) -> str:
        """Return 64 hexadecimal digits."""
        return self._digest.hexdigest()
