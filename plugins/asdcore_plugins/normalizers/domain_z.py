"""The normalizer ``domain_z``: z-scores of both domains on the target's deviation."""

from __future__ import annotations

from collections.abc import Mapping

from asdcore import DataError
from asdcore_plugins.normalizers.bases.location_scale import Line, LocationScale
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.spread import c4, mean_deviation


class DomainZ(LocationScale):
    """z-scores on the target's deviation: z = min((s_s - mean_s) / sigma_t, (s_t - mean_t) / sigma_t).

    The published code takes mean and deviation from the test clips. Here they come from out-of-fold train normals, as
    they must. It refuses data without train normals of both domains.

    Parameters
    ----------
    shrinkage : float
        With the weight of how many source clips the target's mean and deviation are drawn toward the source's, 0 or
        more; 0 is the published form but for a factor, 1 / c4(n_t).

    Notes
    -----
    Cost: linear in the train normals.

    References
    ----------
    Eq. (3) of GenRep's report to DCASE 2025 (Saengthong and Shinozaki), in which the target's deviation was the better
    one for both domains.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> normals = {"source": np.arange(1.0, 22.0), "target": np.arange(11.0, 32.0)}
    >>> domain = np.array(["source"] * 11 + ["target"] * 10)
    >>> normalizer = asdcore.load_normalizer("domain_z", shrinkage=0).fit(normals, domain)
    >>> normalizer.transform({"source": np.array([6.0, 30.0]), "target": np.array([26.5, 26.5])}).round(2)
    array([0., 0.])
    """

    name = "domain_z"

    def __init__(self, shrinkage: float = 10.0) -> None:
        super().__init__("domain_min", shrinkage)

    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        return mean_deviation(scores, which)

    def _bias(self, n: int) -> float:
        return c4(n)

    def _domain_scales(self, chosen: Mapping[str, Floats]) -> dict[str, Line]:
        missing = [name for name in ("source", "target") if name not in chosen]
        if missing:
            raise DataError(f"domain_z has no train normals of the {missing[0]} domain. Use mean_std, which needs one.")
        source = self._location_scale(chosen["source"], "source")
        mean, deviation = self._shrunk(chosen["target"], source)
        return {"source": Line(source[0], deviation), "target": Line(mean, deviation)}
