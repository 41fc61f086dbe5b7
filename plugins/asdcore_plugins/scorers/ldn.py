"""Local density normalization: distances to train normals, judged by how close these lie to one another.

Ratio: A(x) = min_y d(x, y) / rho(y). Difference: A(x) = min_y d(x, y) - rho(y). Here rho(y) is the mean distance of a
train normal to its k nearest others, or its weighted mean with the weights 1, r, r^2, ... (GWRP, global weighted
ranking pooling). From Wilkinghoff et al., "Keeping the Balance: Anomaly Score Calculation for Domain Generalization"
(ICASSP 2025), and "Local Density-Based Anomaly Score Normalization for Domain Generalization" (2025). There k = 1 is
best; with 16 the ratio can undo the source domain. ``root`` with ``k = 4`` is the ratio that ASDKit (Fujimura et al.,
2025) calls rescaling.

Domain-wise, as in GenRep's DCASE 2025 system: ``among = "domain"``, ``k = {source = 16, target = 9}``, and
``scale = "sum"``; "pooled" is then the smaller of the two domains' scores.

``without`` holds for rho(y) too: in ``fit`` it does not rest on the clips that y must not rest on, and in
``score_left_out`` not on those that the scored clip must not rest on.

Repeated clips of a domain count once; they may rest on what one of their copies may. If both domains hold the same
clip, rho may be 0, so the ratio divides by rho plus 1e-6 times the median positive rho. Leave-one-out is exact: the
clip is missing from its neighbours' rho too. Time and memory: a distance matrix of n_train^2, then n_train + k^2 for a
clip left out and n_train for a clip scored. A bank of more than 5,000 clips is searched instead, with the same bits:
n_train * k memory, a minute for 100,000 clips of 64 values, and a quarter of an hour to leave each out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DOMAINS, REFERENCES, OnnxValue, Without
from asdcore_plugins.scorers.bases.local_density import LocalDensity, MeanDensity, floor
from asdcore_plugins.stats.arrays import DistanceRows, Flags, Floats
from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout
from asdcore_plugins.stats.parameters import choice, flag, fraction, whole

VARIANTS = ("ratio", "difference")
SCALES = ("mean", "sum")


class LDN(LocalDensity):
    """Distance over, or less, the local density's distance of the train normal.

    Parameters
    ----------
    k
        Neighbours that count, one number or {"source": ..., "target": ...}; all there are if there are fewer.
    variant
        "ratio" (without unit) or "difference" (in the unit of the distance).
    r
        Factor from one neighbour's weight to the next one's, 0 to 1; 1 gives the mean, 0 the nearest alone.
    scale
        "mean", or "sum", which gives a domain with more neighbours the smaller ratios.
    among
        Whose clips are neighbours: all ("pooled"), or those of the same domain ("domain").
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.
    root
        Judge by the root of the distance. The root of the cosine distance is half the Euclidean distance of unit
        vectors.

    Raises
    ------
    ValueError
        If a parameter is not one of the values above.

    References
    ----------
    K. Wilkinghoff et al., "Keeping the Balance: Anomaly Score Calculation for Domain Generalization", ICASSP 2025,
    and "Local Density-Based Anomaly Score Normalization for Domain Generalization", 2025.

    Examples
    --------
    The same distance of 0.5 is odd where train normals are dense, and ordinary where they are sparse:

    >>> import numpy as np
    >>> train = np.array([[0.0], [0.1], [0.2], [50.0], [52.0], [54.0]], np.float32)
    >>> scorer = LDN(metric="euclidean", references=["pooled"]).fit(train, np.full(6, "source"))
    >>> scorer.score(np.array([[-0.5], [54.5]], np.float32))["pooled"].round(2).tolist()
    [5.0, 0.25]
    """

    def __init__(
        self,
        k: int | Mapping[str, int] = 1,
        variant: str = "ratio",
        r: float = 1.0,
        scale: str = "mean",
        among: str = "pooled",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
        root: bool = False,
    ) -> None:
        self._variant, self._sum = choice("variant", variant, VARIANTS), choice("scale", scale, SCALES) == "sum"
        if isinstance(k, Mapping) and set(k) != set(DOMAINS):
            raise ValueError(f"k must be one number, or one for each of {', '.join(DOMAINS)}, got {dict(k)!r}")
        each = k if isinstance(k, Mapping) else dict.fromkeys(DOMAINS, k)
        self._k = {name: whole("k", each[name]) for name in DOMAINS}
        self._r, self._root = fraction("r", r), flag("root", root)
        super().__init__("ldn", max(self._k.values()), among, metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        return super().score_distances(self._rooted(distances))

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        return super().distances_to_onnx(distances.op("Sqrt") if self._root else distances)

    def _begin(self, rows: DistanceRows, domain: NDArray[np.str_], apart: Without | None) -> None:
        if isinstance(rows, LazyDistances):
            super()._begin(rows.rooted() if self._root else rows, domain, apart)
        else:
            super()._begin(lambda clips: self._rooted(rows(clips)), domain, apart)

    def _rooted(self, distances: Floats) -> Floats:
        return np.asarray(np.sqrt(distances)) if self._root else distances

    def _density(self, near: Neighbours, counted: Flags, target: Flags) -> MeanDensity:
        place = np.arange(self._most)
        limit = np.where(target, self._k["target"], self._k["source"])[:, None]
        return MeanDensity(near, np.where(place < limit, self._r**place, 0.0), total=self._sum)

    def _terms(self, rho: Floats, counted: Flags, banks: Banks | BanksWithout) -> tuple[Floats | float, Floats | float]:
        return (rho + floor(rho, counted, "ldn"), 0.0) if self._variant == "ratio" else (1.0, rho)
