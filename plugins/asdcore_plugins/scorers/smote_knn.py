"""Nearest neighbours, with the target bank filled up between its clips (SMOTE).

Ten target clips beside a thousand source clips leave gaps that look like anomalies. So points are added between every
target clip and each of its ``neighbours`` nearest target clips, until the target bank holds ``ratio`` times as many as
the source bank. SMOTE (Chawla et al., JAIR 16, 2002) draws lines and places on them at random; without a ``seed`` each
line holds the same number of points, evenly spaced, the least that suffices: that depends on no seed and no order of
clips. A(x) is the mean of the k smallest distances to the clips and points; for the cosine metric points are brought
back to unit length. A ratio of 0.2 with 2 neighbours is the strongest back-end of the ASDKit comparison (Fujimura et
al., 2025).

With a ``seed`` the points are, draw for draw, those that imbalanced-learn's ``SMOTE(sampling_strategy=ratio,
k_neighbors=neighbours, random_state=seed)`` adds to the train clips in the order of ``fit``, and exactly as many as the
ratio asks for, rounded down.

With fewer than 2 target clips there is no line, and with as many as the ratio asks for no need of points: then these
are plain nearest neighbours, and a warning says why. With fewer than ``neighbours`` others, those there are count.

Leave-one-out is exact: a target clip is left out with all points it is part of, and the others are filled up anew, with
the same seed. Time and memory: a distance matrix of n_train^2, then n_train + points a clip. A bank of
more than 5,000 clips is searched instead, with the same bits; of more than 30,000 clips, at most 1,024 may be target
clips.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.interpolated_bank import InterpolatedBank, Points
from asdcore_plugins.stats.arrays import DistanceRows, Indices
from asdcore_plugins.stats.parameters import REFERENCES, exact, fraction, whole


class SmoteKNN(InterpolatedBank):
    """k nearest neighbours among train clips and points between target clips; in the unit of the distance.

    ratio : target clips and points, in source clips; 0 to 1. neighbours : lines from each target clip. seed : of the
        places at random; None spaces them evenly.
    """

    def __init__(
        self,
        k: int = 1,
        ratio: float = 0.2,
        neighbours: int = 2,
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
        seed: int | None = None,
    ) -> None:
        self._seed = None if seed is None else whole("seed", seed, least=0)
        self._ratio, self._neighbours = fraction("ratio", ratio), whole("neighbours", neighbours)
        super().__init__("smote_knn", k, metric, references)

    def _learn(self, rows: DistanceRows, domain: NDArray[np.str_]) -> None:
        super()._learn(rows, domain)
        if not len(self._points.a):
            target = int(self._target.sum())
            source = len(domain) - target
            why = f"has no line between its {target} target clips"
            if target > 1:
                why = f"has {target} target clips already, of the {self._ratio * source:g} that its ratio asks for"
            warnings.warn(f"smote_knn {why}: it adds no points and scores as knn does.", stacklevel=4)

    def _most_ends(self, source: int, target: int) -> int:
        # Without one of the target clips there may be lines, where there are none with it.
        return target if exact(self._ratio) * source > target - 1 else 0

    def _between(self, source: Indices, target: Indices) -> Points:
        wanted = exact(self._ratio) * len(source) - len(target)
        if wanted <= 0:
            none = np.empty(0, np.intp)
            return Points(none, none, np.empty(0), np.empty(0))
        a, b, apart = self._towards(target, target, min(self._neighbours, max(len(target) - 1, 0)))
        if self._seed is None or not len(a):
            each = math.ceil(wanted / len(a)) if len(a) else 0
            line, share = np.repeat(np.arange(len(a)), each), np.tile(np.arange(1, each + 1) / (each + 1), len(a))
        else:
            draw = np.random.RandomState(self._seed)
            count = int(self._ratio * len(source) - len(target))  # in floats, as imbalanced-learn counts them
            line, share = draw.randint(len(a), size=count), draw.uniform(size=count)
        return Points(a[line], b[line], share, apart[line])


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``smote_knn``."""
    register("smote_knn", SmoteKNN)
