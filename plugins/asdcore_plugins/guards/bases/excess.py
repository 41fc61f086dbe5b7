"""The base of guards: each takes back a part of how far a score exceeds a high quantile of the train normals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdcore import OnnxValue
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.tail import excess
from asdcore_plugins.stats.fitted import Fitted
from asdcore_plugins.stats.learned import Number
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import check_quantiles


class ExcessGuard(Fitted):
    """A guard of the normal tail. A subclass sets ``name``, as messages say it, and implements two methods.

    These are :meth:`_fit`, which may rely on ``_threshold``, and :meth:`_penalty`. What :meth:`_fit` learns it
    annotates, as :mod:`asdcore_plugins.stats.learned` has it.

    Parameters
    ----------
    quantile : float
        Quantile of the train-normal base scores at which the tail begins, in (0, 1).

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    fit_call = "fit(base, z, domain)"
    _threshold: Number

    def __init__(self, quantile: float = 0.95) -> None:
        check_quantiles(quantile=quantile)
        self._quantile = quantile

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> Self:
        """Learn the tail of the train normals; an earlier fit is forgotten.

        Parameters
        ----------
        base : (n_train,) float64
            Base scores of the system for train normals, out of fold.
        z : dict of (n_train,) float64
            The calibrated scores of every branch for the same clips, by its name.
        domain : (n_train,) str
            "source" or "target" for each.

        Returns
        -------
        Self
            The fitted guard.

        Raises
        ------
        DataError
            If the train normals do not tell what the guard has to know of them.
        """
        self._is_fitted = False
        self._threshold = float(np.quantile(base, self._quantile))
        self._fit(base, z, domain)
        self._is_fitted, self._is_restored = True, False
        return self

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """Return what the system is to take back from each clip.

        Parameters
        ----------
        base : (n_clips,) float64
            Base scores of the system.
        z : dict of (n_clips,) float64
            The calibrated scores of every branch, by its name.

        Returns
        -------
        (n_clips,) float64
            The penalty R >= 0, in units of the base score; exactly 0 up to the threshold.

        Raises
        ------
        DataError
            Before ``fit``.
        """
        self._check_fitted()
        return self._penalty(excess(base, self._threshold), z)

    def to_onnx(self, base: OnnxValue, z: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the guard: base (1,) and z (1,) of every branch -> R (1,)."""
        self._check_fitted()
        over = (base - self._threshold).op("Max", 0.0)
        return written(self._penalty, over, z)

    @abstractmethod
    def _fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> None:
        """Learn from the train normals."""

    @abstractmethod
    def _penalty(self, over: Floats, z: Mapping[str, Floats]) -> Floats:
        """Return which part of the excess ``over`` the threshold (n_clips,) is taken back."""
