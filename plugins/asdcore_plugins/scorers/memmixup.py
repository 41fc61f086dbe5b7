"""Nearest neighbours, with the target bank extended towards the source bank (MemMixup).

To the target bank are added the points alpha t + (1 - alpha) s, for every target clip t and its ``k_source`` nearest
source clips s (all of them by default). A(x) is the mean of the k smallest distances to the clips and points. From
GenRep (Saengthong and Shinozaki, 2024), with alpha = 0.9; for the cosine metric points are brought back to unit length.
A bank without target clips, or without source clips, has no such points and is a plain nearest-neighbour bank.

No point's features are made: a distance to it follows from three others. Leave-one-out is exact: a clip is left out
with all points it is part of. Time and memory: a distance matrix of n_train^2, then n_train + n_target * k_source a
clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, fraction, whole
from asdcore_plugins.stats.mixed import MixedBank, Points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Indices = NDArray[np.intp]


class MemMixup(MixedBank):
    """k nearest neighbours among train clips and points from target to source clips; in the unit of the distance.

    alpha : the target clip's share in a point, 0 to 1. k_source : source clips that each target clip is mixed with, or
        None for all.
    """

    uses_source = True

    def __init__(
        self,
        k: int = 1,
        alpha: float = 0.9,
        k_source: int | None = None,
        metric: str = "euclidean",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._alpha = fraction("alpha", alpha)
        self._k_source = None if k_source is None else whole("k_source", k_source)
        super().__init__("memmixup", k, metric, references)

    def _between(self, source: Indices, target: Indices) -> Points:
        import numpy as np

        a, b, apart = self._towards(target, source, len(source) if self._k_source is None else self._k_source)
        return Points(a, b, np.full(len(a), 1.0 - self._alpha), apart)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``memmixup``."""
    register("memmixup", MemMixup)
