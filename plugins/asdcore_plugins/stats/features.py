"""Features as scorers read them: with a time axis, or flattened to one row a clip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats32


def frames(features: Floats32, scorer: str, bands: int | None = None) -> Floats32:
    """Return features that keep their time axis; pooled ones become one frame.

    Parameters
    ----------
    features
        (n_clips, time, band, dim), or pooled (n_clips, bands * dim).
    scorer
        Name of the scorer, for the message.
    bands
        Number of bands in pooled features. None refuses pooled features.

    Returns
    -------
    Floats32
        (n_clips, time, band, dim), contiguous.

    Raises
    ------
    DataError
        If the features are pooled, and ``bands`` is None or does not divide them.
    """
    if features.ndim == 4:
        return np.ascontiguousarray(features)
    width = features.shape[-1]
    if bands is None:
        raise DataError(
            f"{scorer} reads frames (n_clips, time, band, dim), and these features are pooled to {width} values a "
            "clip. Set the encoder's pooling to 'frames'."
        )
    if width % bands:
        raise DataError(
            f"features of {width} values a clip are not {bands} bands of one size. "
            "Set bands to the number of bands of the encoder."
        )
    return np.ascontiguousarray(features.reshape(len(features), 1, bands, width // bands))


def check_frames(features: Floats32, scorer: str) -> None:
    """Raise DataError if features are pooled: (n_clips, time, band, dim) is needed."""
    if features.ndim != 4:
        raise DataError(
            f"{scorer} reads frames (time, band, dim), got {features.shape[1:]} values a clip. Use the pooling "
            "'frames'."
        )


def flat(features: NDArray[Any]) -> NDArray[Any]:
    """(n, ...) -> (n, D), also if n is 0."""
    return features.reshape(len(features), math.prod(features.shape[1:]))


def unit_rows(rows: Floats32) -> Floats32:
    """(n, D) -> the same of length 1 (n, D), however large or small they are; rows of zeros stay zero.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 0.0], [0.0, 3e-30], [-3e30, 0.0], [0.0, 0.0]], np.float32)).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]]
    """
    # Powers of two keep all bits, and squares of single precision within their range.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = np.ldexp(rows, -np.frexp(largest)[1])
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.where(lengths > 0, lengths, np.float32(1)))


def other_width(width: int, fitted: int) -> DataError:
    """Return the error that clips of ``width`` values meet train normals of another number of values."""
    return DataError(
        f"features of {width} values a clip cannot be compared with train normals of {fitted}. Clips of different "
        "lengths need a pooling other than 'frames'."
    )
