"""The z-score of each domain on the target's deviation: z = min((s_s - mean_s) / sigma_t, (s_t - mean_t) / sigma_t).

Eq. (3) of GenRep's report to DCASE 2025 (Saengthong and Shinozaki), which found the target's deviation the better one
for both domains. The published code takes mean and deviation from the test clips; here they come from out-of-fold train
normals, as they must.

Parameters: ``shrinkage`` in clips (10), by which the target's mean and deviation are drawn toward the source's; 0 is
the published form. Refuses where a domain has no train normals. Cost: linear in the train normals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.normalizers.bases.domain_scope import Curve
from asdcore_plugins.normalizers.bases.location_scale import LocationScale, line
from asdcore_plugins.stats.distributions.spread import c4, mean_deviation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class DomainZ(LocationScale):
    """z-scores of both domains on the deviation of the target, the smaller of the two."""

    name = "domain_z"

    def __init__(self, shrinkage: float = 10.0) -> None:
        super().__init__("domain_min", shrinkage)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return mean_deviation(scores, which)

    def _bias(self, n: int) -> float:
        return c4(n)

    def _domain_curves(self, chosen: Mapping[str, Floats]) -> dict[str, Curve]:
        missing = [name for name in ("source", "target") if name not in chosen]
        if missing:
            raise DataError(f"domain_z has no train normals of the {missing[0]} domain. Use mean_std, which needs one.")
        source = self._location_scale(chosen["source"], "source")
        mean, deviation = self._shrunk(chosen["target"], source)
        return {"source": line(source[0], deviation), "target": line(mean, deviation)}


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``domain_z``."""
    register("domain_z", DomainZ)
