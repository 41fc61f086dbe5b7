"""Takes back part of a score in the normal tail that other evidence does not support.

The false alarms that decide pAUC are the highest train-normal scores. Where a clip's base score lies above the
``quantile`` Q of the train normals, and the calibrated score of an auxiliary branch stands low in its own train-normal
CDF F, the excess over Q is unsupported::

    R(x) = (base(x) - Q)+ * clip((q_a - F(z_support(x))) / q_a, 0, 1),   q_a = support_quantile

R is 0 up to Q and wherever F >= q_a, continuous, and never larger than the excess: with a strength of at most 1 no
clip falls below Q, so the ranking below the tail stays as it was. (Tail-scale form of the reliability guard in eq. (3)
of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection".)

Parameters: ``support``, the name of a branch; ``quantile`` (0.95) and ``support_quantile`` (0.8) in (0, 1). Cost: two
sorts of the train normals; a search among them a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.distributions.tail import check_branch, check_quantiles, excess, ramp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore import SmoothEcdf

    Floats = NDArray[np.float64]


class TailGuard:
    """Guard the tail above ``quantile`` with the branch ``support``, which agrees from its ``support_quantile`` on."""

    def __init__(self, support: str, quantile: float = 0.95, support_quantile: float = 0.8) -> None:
        check_branch("support", support)
        check_quantiles(quantile=quantile, support_quantile=support_quantile)
        self._support, self._quantile, self._support_quantile = support, quantile, support_quantile
        self._evidence: SmoothEcdf | None = None

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> TailGuard:
        """Out-of-fold train normals: base score (n_train,) and z of every branch."""
        import numpy as np

        from asdcore import SmoothEcdf

        self._threshold = float(np.quantile(base, self._quantile))
        self._evidence = SmoothEcdf(z[self._support])
        return self

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """(n_clips,) base score and z of every branch -> R (n_clips,) >= 0, in units of the base score."""
        if self._evidence is None:
            raise DataError("this tail guard has no train normals yet: call fit(base, z, domain) first")
        unsupported = ramp(self._evidence.cdf(z[self._support]), self._support_quantile, 0.0)
        return excess(base, self._threshold) * unsupported


@hookimpl
def register_guards(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``tail``."""
    register("tail", TailGuard)
