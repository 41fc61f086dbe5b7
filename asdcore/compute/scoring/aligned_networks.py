"""Puts scores by the network of one fold on the scale of the network of all train normals.

Two networks that were trained apart do not measure alike: one may place all clips five times as close together as the
other. But both have seen most train normals. The scores of these, out of fold, by either network say how the scales go
together. So a clip that the one has not seen gets the score that the other would give a clip as far off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def aligned(scores: Floats, own: Floats, full: Floats) -> Floats:
    """Return scores by a fold's network on the scale of the network of all.

    Parameters
    ----------
    scores : (n_clips,) float64 array
        Of any clips, by the fold's network.
    own, full : (n_seen,) float64 arrays
        Of the same train normals, which both networks have seen, by the fold's network and by that of all.

    Returns
    -------
    (n_clips,) float64 array
        Scores that are never negative are distances: they have a zero, and are multiplied by the ratio of the medians.
        Others have no zero, and are shifted and stretched by median and interquartile range. If there is no median, or
        no range, to divide by, they are shifted alone.

    Examples
    --------
    >>> aligned(np.array([0.3]), own=np.array([0.1, 0.2, 0.3]), full=np.array([0.5, 1.0, 1.5])).round(3).tolist()
    [1.5]
    >>> aligned(np.array([-1.0]), own=np.array([-3.0, -2.0, -1.0]), full=np.array([8.0, 10.0, 12.0])).tolist()
    [12.0]
    """
    middle, target = float(np.median(own)), float(np.median(full))
    is_distance = min(scores.min(initial=0.0), own.min(initial=0.0), full.min(initial=0.0)) >= 0
    if is_distance and middle > 0 and target > 0:
        return scores * (target / middle)
    spread, wanted = _range(own), _range(full)
    stretch = wanted / spread if spread > 0 and wanted > 0 and not is_distance else 1.0
    return target + (scores - middle) * stretch


def _range(values: Floats) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)
