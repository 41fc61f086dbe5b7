"""Nearest neighbours, with the target bank filled up between its clips (SMOTE).

Ten target clips beside a thousand source clips leave gaps that look like anomalies. So points are added between every
target clip and each of its ``neighbours`` nearest target clips, until the target bank holds ``ratio`` times as many as
the source bank: on each such line the same number of points, evenly spaced, the least that suffices. SMOTE (Chawla et
al., JAIR 16, 2002) draws places on these lines at random; even ones depend on no seed and no order of clips. A(x) is
the mean of the k smallest distances to the clips and points; for the cosine metric points are brought back to unit
length. A ratio of 0.2 with 2 neighbours is the strongest back-end of the ASDKit comparison (Fujimura et al., 2025).

With fewer than 2 target clips there is no line, and with as many as the ratio asks for no need of points: then these
are plain nearest neighbours, and a warning says why. With fewer than ``neighbours`` others, those there are count.

Leave-one-out is exact: a target clip is left out with all points it is part of, and the others are filled up anew. Time
and memory: a distance matrix of n_train^2, then n_train + points a clip.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, fraction, whole
from asdcore_plugins.stats.mixed import MixedBank, Points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Indices = NDArray[np.intp]


class SmoteKNN(MixedBank):
    """k nearest neighbours among train clips and points between target clips; in the unit of the distance.

    ratio : target clips and points, in source clips; 0 to 1. neighbours : lines from each target clip.
    """

    uses_source = False

    def __init__(
        self,
        k: int = 1,
        ratio: float = 0.2,
        neighbours: int = 2,
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
    ) -> None:
        self._ratio, self._neighbours = fraction("ratio", ratio), whole("neighbours", neighbours)
        super().__init__("smote_knn", k, metric, references)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        super()._learn(rows, domain)
        if not len(self._points.a):
            target = int(self._target.sum())
            source = len(domain) - target
            why = f"has no line between its {target} target clips"
            if target > 1:
                why = f"has {target} target clips already, of the {self._ratio * source:g} that its ratio asks for"
            warnings.warn(f"smote_knn {why}: it adds no points and scores as knn does.", stacklevel=4)

    def _between(self, source: Indices, target: Indices) -> Points:
        import numpy as np

        a, b, apart = self._towards(target, target, min(self._neighbours, max(len(target) - 1, 0)))
        wanted = self._ratio * len(source) - len(target)
        each = int(np.ceil(wanted / len(a))) if len(a) and wanted > 0 else 0
        share = np.arange(1, each + 1) / (each + 1)
        return Points(np.repeat(a, each), np.repeat(b, each), np.tile(share, len(a)), np.repeat(apart, each))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``smote_knn``."""
    register("smote_knn", SmoteKNN)
