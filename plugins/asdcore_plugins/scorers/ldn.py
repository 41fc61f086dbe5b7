"""Local density normalisation: distances to train normals, judged by how close these lie to one another.

ratio: A(x) = min_y d(x, y) / rho(y); difference: A(x) = min_y d(x, y) - rho(y), where rho(y) is the mean distance of a
train normal to its k nearest others, or its weighted mean with the weights 1, r, r^2, ... (GWRP, global weighted
ranking pooling). From Wilkinghoff et al., "Keeping the Balance: Anomaly Score Calculation for Domain Generalization"
(ICASSP 2025), and "Local Density-Based Anomaly Score Normalization for Domain Generalization" (2025). There k = 1 is
best; with 16 the ratio can undo the source domain.

Domain-wise, as in GenRep's DCASE 2025 system: ``among = "domain"``, ``k = {source = 16, target = 9}``, and
``scale = "sum"``; "pooled" is then the smaller of the two domains' scores.

With repeated clips rho is 0: the ratio divides by rho + 1e-6 times the median positive rho. Leave-one-out is exact, the
clip is missed by its neighbours' rho too. Time and memory: a distance matrix of n_train^2, then n_train * k a clip left
out, n_train a clip scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import hookimpl
from asdcore_plugins.stats.banks import REFERENCES, fraction, whole
from asdcore_plugins.stats.density import LocalDensity, floored, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

VARIANTS = ("ratio", "difference")
SCALES = ("mean", "sum")
DOMAINS = ("source", "target")


class LDN(LocalDensity):
    """Distance over, or less, the local density's distance of the train normal.

    k : neighbours, one number or one for each domain; where there are fewer, those there are.
    variant : "ratio" (without unit) or "difference" (in the unit of the distance).
    r : what each next neighbour's weight is multiplied by, 0 to 1; 1 is the mean, 0 the nearest alone.
    scale : "mean", or "sum", which leaves a domain with more neighbours the smaller ratios.
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
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
        if isinstance(k, Mapping) and set(k) != set(DOMAINS):
            raise ValueError(f"k must be one number, or one for each of {', '.join(DOMAINS)}, got {dict(k)!r}")
        each = k if isinstance(k, Mapping) else dict.fromkeys(DOMAINS, k)
        self._k = {name: whole("k", each[name]) for name in DOMAINS}
        self._variant, self._r, self._sum = variant, fraction("r", r), scale == "sum"
        super().__init__("ldn", max(self._k.values()), among, metric, references)

    def _terms(self, index: Indices, distance: Floats, known: Indices) -> tuple[Floats | float, Floats | float]:
        import numpy as np

        place = np.arange(distance.shape[1])
        limit = np.where(self._target, self._k["target"], self._k["source"])[:, None]
        near = np.where(place < limit, distance, np.inf)
        rho = weighted(near, np.broadcast_to(self._r**place, near.shape), total=self._sum)
        return (floored(rho, known, "ldn"), 0.0) if self._variant == "ratio" else (1.0, rho)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``ldn``."""
    register("ldn", LDN)
