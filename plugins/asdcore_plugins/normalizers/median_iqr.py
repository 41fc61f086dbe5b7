"""Median and interquartile range of train normals: z = (s - median) / (IQR + eps).

Eq. (2) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection".

Scopes
    ``pooled``      one median and IQR over all train normals, of the scores against the pooled bank.
    ``domain_min``  one for each domain, of the scores against that domain's bank (the pooled bank where the scorer has
                    no other); a clip's z is the smaller one: it belongs to the domain in which it looks most normal.

Ten target clips say little about a scale (the IQR of 10 Gaussian values has a relative standard deviation of 36 % and
is 13 % too small on average). Under ``domain_min`` the target's statistics are therefore drawn toward the source's::

    median_t* = (n_t median_t + kappa median_s) / (n_t + kappa)
    log IQR_t* = (n_t log(IQR_t / c(n_t)) + kappa log IQR_s) / (n_t + kappa)

with kappa = ``shrinkage`` and c(n) the expected IQR of n Gaussian values over that of infinitely many. kappa = 0 trusts
the target clips alone. One target clip has a place but no spread: its IQR is the source's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SCOPES = ("pooled", "domain_min")
GAUSSIAN_IQR = 1.3489795003921634
EPSILON, FLOOR = 1e-6, 1e-12


class MedianIQR:
    """Robust z-score on train normals; ``shrinkage`` counts as that many source clips in the target's statistics."""

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0) -> None:
        if scope not in SCOPES:
            raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
        if not 0 <= shrinkage < math.inf:
            raise ValueError(f"shrinkage must be a number of at least 0, got {shrinkage}")
        self._scope, self._shrinkage = scope, float(shrinkage)
        self._scales: dict[str, tuple[str, float, float]] = {}

    def fit(self, scores: Mapping[str, Floats], domain: NDArray[np.str_]) -> MedianIQR:
        """{reference: out-of-fold train-normal scores (n_train,)} and their domains."""
        self._scales = {}
        if self._scope == "pooled":
            reference = _pooled(scores)
            self._scales = {"pooled": (reference, *_median_iqr(scores[reference], "all"))}
            return self
        scales = {}
        for name in ("source", "target"):
            reference = name if name in scores else "pooled"
            # No train clip of the domain, or no bank to score it against: the other domain stands for both.
            if reference in scores and (domain == name).any():
                scales[name] = (reference, scores[reference][domain == name])
        self._scales = self._fit_domains(scales)
        return self

    def _fit_domains(self, chosen: Mapping[str, tuple[str, Floats]]) -> dict[str, tuple[str, float, float]]:
        if not chosen:
            raise DataError("domain_min needs train normals of the source or the target domain")
        source = chosen.get("source")
        if source is None:
            return {name: (reference, *_median_iqr(s, name)) for name, (reference, s) in chosen.items()}
        base = _median_iqr(source[1], "source")
        fitted = {"source": (source[0], *base)}
        if "target" in chosen:
            reference, scores = chosen["target"]
            fitted["target"] = (reference, *_shrunk(scores, base, self._shrinkage))
        return fitted

    def transform(self, scores: Mapping[str, Floats]) -> Floats:
        """{reference: (n_clips,)} -> z (n_clips,); under ``domain_min`` the smallest over the domains."""
        import numpy as np

        if not self._scales:
            raise DataError("this median_iqr has no train normals yet: call fit(scores, domain) first")
        z = [(scores[reference] - median) / iqr for reference, median, iqr in self._scales.values()]
        smallest: Floats = np.minimum.reduce(z)
        return smallest


def _pooled(scores: Mapping[str, Floats]) -> str:
    """Return the reference that stands for all train normals: the pooled one, or the only one there is."""
    if "pooled" in scores or len(scores) == 1:
        return "pooled" if "pooled" in scores else next(iter(scores))
    raise DataError(
        f"scope 'pooled' needs scores against the pooled bank, but the scorer gives {' and '.join(sorted(scores))}. "
        "Add 'pooled' to its references, or use scope 'domain_min'."
    )


def _median_iqr(scores: Floats, which: str) -> tuple[float, float]:
    """Median and IQR + eps of scores (n,); raises DataError where half of them are equal."""
    import numpy as np

    low, median, high = (float(q) for q in np.quantile(scores, [0.25, 0.5, 0.75]))
    iqr = high - low
    if not iqr > FLOOR * float(np.abs(scores).max()):
        raise DataError(
            f"the interquartile range of the {len(scores)} train-normal scores ({which}) is 0, so nothing can be put "
            "on their scale. Look for repeated clips or a silent channel, or take the branch out of the portfolio."
        )
    return median, iqr + max(EPSILON * 1.4826 * float(np.median(np.abs(scores - median))), FLOOR)


def _shrunk(scores: Floats, source: tuple[float, float], kappa: float) -> tuple[float, float]:
    """The target's median and IQR, drawn toward the source's with the weight of ``kappa`` clips."""
    n = len(scores)
    own, drawn = n / (n + kappa), kappa / (n + kappa)
    if n == 1:
        return own * float(scores[0]) + drawn * source[0], source[1]
    median, iqr = _median_iqr(scores, "target")
    log_iqr = own * math.log(iqr / small_sample_iqr(n)) + drawn * math.log(source[1])
    return own * median + drawn * source[0], math.exp(log_iqr)


@functools.cache
def small_sample_iqr(n: int) -> float:
    """Return the expected IQR (linear quantiles) of n standard Gaussian values over that of infinitely many.

    Two order statistics are as far apart, on average, as the area between their distribution functions.
    """
    import numpy as np
    from scipy.special import betainc, ndtr

    grid = np.linspace(-9.0, 9.0, 4001)

    def distribution(quantile: float) -> Floats:
        """That of the linear quantile of n values: between those of the k-th and the next."""
        below = math.floor(quantile * (n - 1))
        share = quantile * (n - 1) - below
        lower, upper = (betainc(k, n - k + 1, ndtr(grid)) for k in (below + 1, min(below + 2, n)))
        mixed: Floats = (1.0 - share) * lower + share * upper
        return mixed

    return float(np.trapezoid(distribution(0.25) - distribution(0.75), grid)) / GAUSSIAN_IQR


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``median_iqr``."""
    register("median_iqr", MedianIQR)
