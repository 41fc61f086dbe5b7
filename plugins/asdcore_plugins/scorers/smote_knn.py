"""Nearest neighbours, with points added to the target bank between its clips (SMOTE).

Ten target clips beside a thousand source clips leave gaps that look like anomalies. So points are added between every
target clip and each of its ``neighbours`` nearest target clips, until the target bank holds ``ratio`` times as many as
the source bank. SMOTE (Chawla et al., JAIR 16, 2002) draws lines and places on them at random. Without a ``seed`` each
line holds the same number of points, evenly spaced, and no more than needed; this depends on no order of clips. A(x) is
the mean of the k smallest distances to the clips and points; for the cosine metric points are scaled back to unit
length. A ratio of 0.2 with 2 neighbours is the strongest back-end of the ASDKit comparison (Fujimura et al., 2025).

With a ``seed`` the points are, draw for draw, those that imbalanced-learn's ``SMOTE(sampling_strategy=ratio,
k_neighbors=neighbours, random_state=seed)`` adds to the train clips in the order of ``fit``, and exactly as many as the
ratio asks for, rounded down.

With fewer than 2 target clips there is no line, and with as many as the ratio asks for no need of points. Then these
are plain nearest neighbours, and a warning says why. With fewer than ``neighbours`` others, all of them count.

Leave-one-out is exact: a target clip is left out with all its points, and new points are added between the others, with
the same seed. Time and memory: a distance matrix of n_train^2, then n_train + points for a clip. A bank of more than
5,000 clips is searched instead, with the same bits; of more than 30,000 clips, at most 1,024 may be target clips.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES
from asdcore_plugins.scorers.bases.interpolated_bank import InterpolatedBank
from asdcore_plugins.scorers.bases.interpolated_points import Points
from asdcore_plugins.stats.arrays import DistanceRows, Indices
from asdcore_plugins.stats.parameters import exact, fraction, whole, whole_or_none


class SmoteKNN(InterpolatedBank):
    """k nearest neighbours among train clips and points between target clips; in the unit of the distance.

    Parameters
    ----------
    k
        Neighbours whose mean distance is the score.
    ratio
        Target clips and points, as a share of the source clips; 0 to 1.
    neighbours
        Lines from each target clip.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.
    seed
        Seed of random places; None spaces the points evenly.

    Raises
    ------
    ValueError
        If ``ratio`` is not from 0 to 1, or another parameter is not allowed.

    References
    ----------
    N. V. Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, 2002. Fujimura et al., "ASDKit",
    2025, for its use.

    Examples
    --------
    Two target clips at 0 and 4, and one point halfway on each of the two lines between them:

    >>> import numpy as np
    >>> train = np.array([[20.0], [21.0], [22.0], [23.0], [0.0], [4.0]], np.float32)
    >>> domain = np.array(["source"] * 4 + ["target"] * 2)
    >>> scorer = SmoteKNN(ratio=1.0, neighbours=1, metric="euclidean", references=["target"]).fit(train, domain)
    >>> scorer.score(np.array([[2.5]], np.float32))["target"].tolist()
    [0.5]
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
        self._seed = whole_or_none("seed", seed, least=0)
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
        # Without one of the target clips points may be needed that are not needed with it.
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
