"""The smooth train-normal CDF of a score: where among the normals a clip stands.

Piecewise linear through the sorted out-of-fold scores at i / (n + 1), with hyperbolic tails
(:class:`asdcore.SmoothEcdf`), so two clips beyond every normal still get different values.

Scopes: ``pooled`` reads one CDF over all train normals; ``domain_min`` one for each domain, of the scores against that
domain's bank, and takes the smaller. A CDF of ten target clips says nothing finer than steps of 1/11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import SmoothEcdf

    Floats = NDArray[np.float64]

SCOPES = ("pooled", "domain_min")
OUTPUTS = ("probability", "normal")


class Ecdf:
    """Calibrate to the train-normal CDF; ``output`` is "probability", in (0, 1), or its standard "normal" quantile."""

    def __init__(self, scope: str = "pooled", output: str = "probability") -> None:
        if scope not in SCOPES:
            raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
        self._scope, self._output = scope, output
        self._curves: list[tuple[str, SmoothEcdf]] = []

    def fit(self, scores: Mapping[str, Floats], domain: NDArray[np.str_]) -> Ecdf:
        """{reference: out-of-fold train-normal scores (n_train,)} and their domains."""
        from asdcore import SmoothEcdf

        self._curves = []
        if self._scope == "pooled":
            reference = _pooled(scores)
            self._curves = [(reference, SmoothEcdf(scores[reference]))]
            return self
        for name in ("source", "target"):
            reference = name if name in scores else "pooled"
            # A CDF needs two clips; with fewer the other domain stands for both.
            if reference in scores and (domain == name).sum() > 1:
                self._curves.append((reference, SmoothEcdf(scores[reference][domain == name])))
        if not self._curves:
            raise DataError("domain_min needs at least 2 train normals of the source or the target domain")
        return self

    def transform(self, scores: Mapping[str, Floats]) -> Floats:
        """{reference: (n_clips,)} -> z (n_clips,); under ``domain_min`` the smallest over the domains."""
        import numpy as np

        if not self._curves:
            raise DataError("this ecdf has no train normals yet: call fit(scores, domain) first")
        z = [
            curve.cdf(scores[reference]) if self._output == "probability" else curve.normal_score(scores[reference])
            for reference, curve in self._curves
        ]
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


@hookimpl
def register_normalizers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``ecdf``."""
    register("ecdf", Ecdf)
