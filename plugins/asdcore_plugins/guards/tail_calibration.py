"""The guard ``tail_calibration``: the scores of all machines get tails of one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.stats.distributions.tail import excess
from asdcore_plugins.stats.parameters import check_quantiles

Floats = NDArray[np.float64]


class TailCalibration:
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
        Quantile of the train-normal base scores at which the tail begins, in (0, 1).

    Raises
    ------
    ValueError
        If ``quantile`` is out of its range.

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

    def __init__(self, quantile: float = 0.95) -> None:
        check_quantiles(quantile=quantile)
        self._quantile = quantile
        self._threshold, self._beta = 0.0, 0.0

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> TailCalibration:
        """Learn the tail of the train normals.

        Parameters
        ----------
        base : (n_train,) float64
            Base scores of the system for train normals, out of fold.
        z : dict of (n_train,) float64
            The calibrated scores of every branch for the same clips, by its name.
        domain : (n_train,) str
            "source" or "target"; not used.

        Returns
        -------
        TailCalibration
            Itself.

        Raises
        ------
        DataError
            If no train-normal score lies above the quantile.
        """
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
        """Return what the system is to take back from each clip.

        Parameters
        ----------
        base : (n_clips,) float64
            Base scores of the system.
        z : dict of (n_clips,) float64
            The calibrated scores of every branch, by its name; not used.

        Returns
        -------
        (n_clips,) float64
            The penalty R >= 0, in units of the base score; exactly 0 up to the threshold.

        Raises
        ------
        DataError
            If it is called before ``fit``.
        """
        if not self._beta:
            raise DataError("this tail calibration has no train normals yet: call fit(base, z, domain) first")
        over = excess(base, self._threshold)
        with np.errstate(over="ignore", divide="ignore"):
            ratio = over / self._beta
            # Beyond what a float can hold, the 1 of log(1 + ratio) is long lost.
            logarithm = np.where(np.isfinite(ratio), np.log1p(ratio), np.log(over) - np.log(self._beta))
        penalty: Floats = np.maximum(over - self._beta * logarithm, 0.0)
        return penalty
