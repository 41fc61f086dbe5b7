"""Windows of consecutive frames, for scorers that learn from them: how they are cut, and how large they may be."""

from __future__ import annotations

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Floats32

MOST = 4096
"""The largest window, in values: its covariance takes 128 MiB."""

BLOCK = 2**22
"""Values of windows that are held at once while fitting, in float64: 32 MiB."""


def windows(clip: Floats | Floats32, stacked: int) -> Floats:
    """Stack consecutive frames: (time, band, dim) -> (time - stacked + 1, stacked * band * dim) float64.

    Examples
    --------
    >>> windows(np.arange(3.0).reshape(3, 1, 1), 2).tolist()
    [[0.0, 1.0], [1.0, 2.0]]
    """
    rows = clip.reshape(len(clip), -1).astype(np.float64)
    return np.hstack([rows[k : len(rows) - stacked + 1 + k] for k in range(stacked)])
