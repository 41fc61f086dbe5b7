"""The output of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32 | np.float64]


@dataclass(frozen=True)
class Tokens:
    """The output of one layer of an encoder for a batch of clips.

    Attributes
    ----------
    patches : (n_clips, time, band, dim) float32 array
        One vector for each step of time and band of frequency. An encoder without a frequency axis has one band. Of an
        exact encoder float64 (:class:`asdcore.contract.interfaces.Encoder`).
    special : (n_clips, k, dim) array or None
        Class-like tokens, which belong to the whole clip; of the same type.

    Examples
    --------
    Two clips, each with 7 steps of time, one band and 128 values:

    >>> tokens = asdcore.Tokens(np.zeros((2, 7, 1, 128), np.float32))
    >>> tokens.patches.shape, tokens.special
    ((2, 7, 1, 128), None)

    The encoders that come with asdcore return such an object for every layer that is asked for:

    >>> audio = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
    >>> asdcore.load_encoder("logmel", n_mels=64).encode(audio, layers=[0])[0].patches.shape
    (2, ..., 64, 1)
    """

    patches: Floats
    special: Floats | None = None


def is_exact(encoder: Any) -> bool:
    """Whether an encoder declares that it computes in float64 throughout, so that its tokens are float64."""
    return getattr(encoder, "exact", False) is True
