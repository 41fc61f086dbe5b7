"""The guard ``tail_calibration``: the scores of all machines get tails of one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue
from asdcore_plugins.guards.bases.excess import ExcessGuard
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import Number
from asdcore_plugins.stats.onnx_formulas import written


class TailCalibration(ExcessGuard):
    """Compresses the tail of a system's scores onto the scale of the train-normal tail.

    Above the ``quantile`` Q of the train-normal base scores the excess grows logarithmically. Its unit beta is the mean
    excess over Q of the train normals that exceed it::

        R(x) = (base(x) - Q)+ - beta log(1 + (base(x) - Q)+ / beta)

    R is 0 up to Q and never larger than the excess, and base - strength R increases strictly with base for any strength
    in [0, 1]. So within one machine and section this guard changes no rank, no AUC and no pAUC. It makes the tails of
    machines commensurable, and makes smaller what a guard after it takes back.

    Parameters
    ----------
    quantile : float
        As in :class:`~asdcore_plugins.guards.bases.excess.ExcessGuard`.

    Notes
    -----
    Cost: one sort of the train normals, and a logarithm for each clip.

    References
    ----------
    The "empirical-tail scale" of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound
    anomaly detection", which gives no formula.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> normals = np.arange(1.0, 11.0)
    >>> guard = asdcore.load_guard("tail_calibration", quantile=0.8)
    >>> guard = guard.fit(normals, {}, np.array(["source"] * 10))
    >>> base = np.array([5.0, 9.0, 20.0])
    >>> (base - guard.penalty(base, {})).round(2)
    array([ 5.  ,  8.82, 11.2 ])
    """

    name = "tail calibration"

    _beta: Number

    def _fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> None:
        over = base[base > self._threshold] - self._threshold
        if not len(over):
            raise DataError(
                f"none of the {len(base)} train-normal scores lies above their quantile {self._quantile}: "
                "the highest are all the same, so their tail has no scale. Choose a lower quantile."
            )
        self._beta = float(np.mean(over))

    def _penalty(self, over: Floats, z: Mapping[str, Floats]) -> Floats:
        with np.errstate(over="ignore", divide="ignore"):
            ratio = over / self._beta
            # Beyond what a float can hold, the 1 of log(1 + ratio) is long lost.
            logarithm = np.where(np.isfinite(ratio), np.log1p(ratio), np.log(over) - np.log(self._beta))
        penalty: Floats = np.maximum(over - self._beta * logarithm, 0.0)
        return penalty

    def to_onnx(self, base: OnnxValue, z: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the guard: base (1,) -> R (1,)."""
        self._check_fitted()
        over = (base - self._threshold).op("Max", 0.0)
        return (over - self._beta * written(np.log1p, over / self._beta)).op("Max", 0.0)
