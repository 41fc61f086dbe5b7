"""Tokens -> features: what is kept of time and bands.

patches (time, band, dim) float32 of one clip -> features float32. ``time`` is always summed in float64, one clip at a
time, so that a clip's features do not depend on which others were encoded with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError, PortfolioError, did_you_mean

Patches = NDArray[np.float32]
Features = NDArray[np.float64]
Pool = Callable[[Patches], Features]


def mean(patches: Patches) -> Features:
    """(time, band, dim) -> (band * dim,): the mean over time, bands kept."""
    pooled: Features = patches.mean(axis=0, dtype=np.float64).ravel()
    return pooled


def mean_all(patches: Patches) -> Features:
    """(time, band, dim) -> (dim,): the mean over time and bands."""
    pooled: Features = patches.mean(axis=(0, 1), dtype=np.float64)
    return pooled


def maximum(patches: Patches) -> Features:
    """(time, band, dim) -> (band * dim,): the maximum over time, bands kept."""
    pooled: Features = patches.max(axis=0).astype(np.float64).ravel()
    return pooled


def mean_std(patches: Patches) -> Features:
    """(time, band, dim) -> (2 * band * dim,): mean and population standard deviation over time, bands kept."""
    return np.concatenate([mean(patches), patches.std(axis=0, dtype=np.float64).ravel()])


def frames(patches: Patches) -> Features:
    """(time, band, dim) -> the same: no pooling."""
    return patches.astype(np.float64)


POOLINGS: dict[str, Pool] = {
    "frames": frames,
    "max": maximum,
    "mean": mean,
    "mean_all": mean_all,
    "mean_std": mean_std,
}


def pool(name: str, patches: Patches) -> NDArray[np.float32]:
    """Pool one clip's patches (time, band, dim) float32; raises DataError where they are not finite."""
    if name not in POOLINGS:
        raise PortfolioError(f"No pooling is named {name!r}. {did_you_mean(name, POOLINGS)}")
    if patches.ndim != 3 or 0 in patches.shape:
        raise DataError(
            f"An encoder gave patches of shape {patches.shape}; (time, band, dim), none of them 0, is needed."
        )
    # An infinite token is refused even where a pooling would hide it, as the maximum hides minus infinity.
    if bad := int((~np.isfinite(patches)).sum()):
        raise DataError(
            f"the encoder's tokens hold {bad} values that are not finite, so there are no features ({name})"
        )
    # The order in which numpy sums follows the memory layout; one layout, one result.
    return POOLINGS[name](np.ascontiguousarray(patches)).astype(np.float32)
