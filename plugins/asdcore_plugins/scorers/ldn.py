"""Local density normalisation: distances to train normals, judged by how close these lie to one another.

ratio: A(x) = min_y d(x, y) / rho(y); difference: A(x) = min_y d(x, y) - rho(y), where rho(y) is the mean distance of a
train normal to its k nearest others, or its weighted mean with the weights 1, r, r^2, ... (GWRP, global weighted
ranking pooling). From Wilkinghoff et al., "Keeping the Balance: Anomaly Score Calculation for Domain Generalization"
(ICASSP 2025), and "Local Density-Based Anomaly Score Normalization for Domain Generalization" (2025). There k = 1 is
best; with 16 the ratio can undo the source domain. ``root`` with ``k = 4`` is the ratio that ASDKit (Fujimura et al.,
2025) calls rescaling.

Domain-wise, as in GenRep's DCASE 2025 system: ``among = "domain"``, ``k = {source = 16, target = 9}``, and
``scale = "sum"``; "pooled" is then the smaller of the two domains' scores.

What is told by ``without`` holds for rho(y) too: it does not rest on the clips that y must not rest on, in ``fit``, nor
on those that the scored clip must not rest on, in ``score_left_out``.

Of repeated clips of a domain one stands for all; where both domains hold the same clip rho may be 0, so the ratio
divides by rho + 1e-6 times the median positive rho. Leave-one-out is exact, the clip is missed by its neighbours' rho
too. Time and memory: a distance matrix of n_train^2, then n_train + k^2 a clip left out, n_train a clip scored. A bank
of more than 5,000 clips is searched instead, with the same bits: n_train * k memory, a minute at 100,000 clips of 64
values, and a quarter of an hour to leave each out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.scorers.bases.local_density import LocalDensity, MeanDensity, floor
from asdcore_plugins.stats.neighbours.lazy_distances import LazyDistances
from asdcore_plugins.stats.parameters import REFERENCES, fraction, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import Without
    from asdcore_plugins.stats.neighbours.exact import Banks, Neighbours, Rows
    from asdcore_plugins.stats.neighbours.leave_sets_out import BanksWithout

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

VARIANTS = ("ratio", "difference")
SCALES = ("mean", "sum")
DOMAINS = ("source", "target")


class LDN(LocalDensity):
    """Distance over, or less, the local density's distance of the train normal.

    k : neighbours, one number or one for each domain; where there are fewer, those there are.
    variant : "ratio" (without unit) or "difference" (in the unit of the distance).
    r : what each next neighbour's weight is multiplied by, 0 to 1; 1 is the mean, 0 the nearest alone.
    scale : "mean", or "sum", which leaves a domain with more neighbours the smaller ratios.
    root : judge by the root of the distance: that of the cosine distance is half the Euclidean one of unit vectors.
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
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
        if isinstance(k, Mapping) and set(k) != set(DOMAINS):
            raise ValueError(f"k must be one number, or one for each of {', '.join(DOMAINS)}, got {dict(k)!r}")
        if not isinstance(root, bool):
            raise ValueError(f"root must be true or false, got {root!r}")
        each = k if isinstance(k, Mapping) else dict.fromkeys(DOMAINS, k)
        self._k = {name: whole("k", each[name]) for name in DOMAINS}
        self._variant, self._r, self._sum, self._root = variant, fraction("r", r), scale == "sum", root
        super().__init__("ldn", max(self._k.values()), among, metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        return super().score_distances(self._rooted(distances))

    def _begin(self, rows: Rows, domain: NDArray[np.str_], apart: Without | None) -> None:
        if isinstance(rows, LazyDistances):
            super()._begin(rows.rooted() if self._root else rows, domain, apart)
        else:
            super()._begin(lambda some: self._rooted(rows(some)), domain, apart)

    def _rooted(self, distances: Floats) -> Floats:
        import numpy as np

        return np.asarray(np.sqrt(distances)) if self._root else distances

    def _density(self, near: Neighbours, known: Flags, target: Flags) -> MeanDensity:
        import numpy as np

        place = np.arange(self._most)
        limit = np.where(target, self._k["target"], self._k["source"])[:, None]
        return MeanDensity(near, np.where(place < limit, self._r**place, 0.0), total=self._sum)

    def _terms(self, rho: Floats, known: Flags, banks: Banks | BanksWithout) -> tuple[Floats | float, Floats | float]:
        return (rho + floor(rho, known, "ldn"), 0.0) if self._variant == "ratio" else (1.0, rho)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``ldn``."""
    register("ldn", LDN)
