"""The guard ``tail``: high scores need the support of another branch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, SmoothEcdf
from asdcore_plugins.stats.distributions.tail import excess, ramp
from asdcore_plugins.stats.parameters import check_branch, check_quantiles

Floats = NDArray[np.float64]


class TailGuard:
    """Takes back part of a score in the normal tail that other evidence does not support.

    The false alarms that decide pAUC are the highest train-normal scores. Let Q be the ``quantile`` of the train-normal
    base scores, and F the train-normal CDF of an auxiliary branch. If a clip's base score lies above Q while the branch
    stands low in F, the excess over Q is unsupported::

        R(x) = (base(x) - Q)+ * clip((q_a - F(z_support(x))) / q_a, 0, 1),   q_a = support_quantile

    R is 0 up to Q and wherever F >= q_a. It is continuous, and never larger than the excess: with a strength of at most
    1 no clip falls below Q, so the ranking below the tail stays as it was.

    Parameters
    ----------
    support : str
        The name of the branch that must agree.
    quantile : float
        Quantile of the train-normal base scores at which the tail begins, in (0, 1).
    support_quantile : float
        Quantile of the branch from which on it agrees in full, in (0, 1).

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Cost: two sorts of the train normals, and a search among them for each clip.

    References
    ----------
    Tail-scale form of the reliability guard in eq. (3) of the DCASE 2026 report "Robust train-normal calibration for
    first-shot machine sound anomaly detection".

    Examples
    --------
    Two clips score 12; the other branch supports the second one only, so the first loses its excess over Q = 9.4:

    >>> import asdcore, numpy as np
    >>> normals = np.arange(1.0, 11.0)
    >>> domain = np.array(["source"] * 10)
    >>> guard = asdcore.load_guard("tail", support="other", quantile=0.95)
    >>> guard = guard.fit(normals, {"other": normals}, domain)
    >>> guard.penalty(np.array([12.0, 12.0, 5.0]), {"other": np.array([-50.0, 20.0, 5.0])}).round(1)
    array([2.4, 0. , 0. ])
    """

    def __init__(self, support: str, quantile: float = 0.95, support_quantile: float = 0.8) -> None:
        check_branch("support", support)
        check_quantiles(quantile=quantile, support_quantile=support_quantile)
        self._support, self._quantile, self._support_quantile = support, quantile, support_quantile
        self._evidence: SmoothEcdf | None = None

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> TailGuard:
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
        TailGuard
            Itself.
        """
        self._threshold = float(np.quantile(base, self._quantile))
        self._evidence = SmoothEcdf(z[self._support])
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
            If it is called before ``fit``.
        """
        if self._evidence is None:
            raise DataError("this tail guard has no train normals yet: call fit(base, z, domain) first")
        unsupported = ramp(self._evidence.cdf(z[self._support]), self._support_quantile, 0.0)
        return excess(base, self._threshold) * unsupported
