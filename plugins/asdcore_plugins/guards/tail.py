"""The guard ``tail``: high scores need the support of another branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import SmoothEcdf
from asdcore_plugins.guards.bases.excess import ExcessGuard
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.tail import ramp
from asdcore_plugins.stats.learned import LEARNED
from asdcore_plugins.stats.parameters import check_branch, check_quantiles


class TailGuard(ExcessGuard):
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
        As in :class:`~asdcore_plugins.guards.bases.excess.ExcessGuard`.
    support_quantile : float
        Quantile of the branch from which on it agrees in full, in (0, 1).

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

    name = "tail guard"

    _evidence: Annotated[SmoothEcdf, LEARNED]

    def __init__(self, support: str, quantile: float = 0.95, support_quantile: float = 0.8) -> None:
        check_branch("support", support)
        super().__init__(quantile)
        check_quantiles(support_quantile=support_quantile)
        self._support, self._support_quantile = support, support_quantile

    def _fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> None:
        self._evidence = SmoothEcdf(z[self._support])

    def _penalty(self, over: Floats, z: Mapping[str, Floats]) -> Floats:
        unsupported = ramp(self._evidence.cdf(z[self._support]), self._support_quantile, 0.0)
        return over * unsupported
