"""Compresses the tail of a system's scores onto the scale of the train-normal tail.

Above the ``quantile`` Q of the train-normal base scores the excess grows logarithmically, in units of beta, the mean
excess over Q of the train normals that exceed it::

    R(x) = (base(x) - Q)+ - beta log(1 + (base(x) - Q)+ / beta)

R is 0 up to Q and never larger than the excess, and base - strength R increases strictly with base for any strength in
[0, 1]. So within one machine and section this guard changes no rank, no AUC and no pAUC: it makes the tails of
machines commensurable, and what a guard after it takes back smaller. (The "empirical-tail scale" of the DCASE 2026
report "Robust train-normal calibration for first-shot machine sound anomaly detection", which gives no formula.)

Parameters: ``quantile`` in (0, 1), default 0.95. Cost: one sort of the train normals; a logarithm a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.distributions.tail import check_quantiles, excess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class TailCalibration:
    """Compress the excess over ``quantile``; the other branches are not looked at."""

    def __init__(self, quantile: float = 0.95) -> None:
        check_quantiles(quantile=quantile)
        self._quantile = quantile
        self._threshold, self._beta = 0.0, 0.0

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> TailCalibration:
        """Out-of-fold train normals: base score (n_train,). Raises DataError where none exceeds the quantile."""
        import numpy as np

        self._beta = 0.0
        threshold = float(np.quantile(base, self._quantile))
        over = base[base > threshold] - threshold
        if not len(over):
            raise DataError(
                f"none of the {len(base)} train-normal scores lies above their quantile {self._quantile}: "
                "the highest are all the same, so their tail has no scale. Choose a lower quantile."
            )
        self._threshold, self._beta = threshold, float(np.mean(over))
        return self

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """(n_clips,) base score -> R (n_clips,) >= 0, in units of the base score."""
        import numpy as np

        if not self._beta:
            raise DataError("this tail calibration has no train normals yet: call fit(base, z, domain) first")
        over = excess(base, self._threshold)
        with np.errstate(over="ignore", divide="ignore"):
            ratio = over / self._beta
            # Beyond what a float can hold, the 1 of log(1 + ratio) is long lost.
            logarithm = np.where(np.isfinite(ratio), np.log1p(ratio), np.log(over) - np.log(self._beta))
        penalty: Floats = np.maximum(over - self._beta * logarithm, 0.0)
        return penalty


@hookimpl
def register_guards(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``tail_calibration``."""
    register("tail_calibration", TailCalibration)
