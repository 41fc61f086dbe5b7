"""The guard ``target_proximity``: the guard ``tail``, for clips close to the target domain alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, SmoothEcdf
from asdcore_plugins.guards.bases.excess import ExcessGuard
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.tail import ramp
from asdcore_plugins.stats.learned import LEARNED, Number
from asdcore_plugins.stats.parameters import check_branch, check_quantiles


class TargetProximity(ExcessGuard):
    """Takes back unsupported scores in the normal tail, for clips close to the target domain.

    What a detector takes for anomalous often belongs to the target domain, of which it has heard ten clips. So the
    guard ``tail`` is confined to clips near the target bank, by a branch ``proximity`` that scores against it::

        near(x) = clip((D_hi - z_p(x)) / (D_hi - D_mid), 0, 1)
        R(x)    = (base(x) - Q)+ * clip((q_a - F(z_support(x))) / q_a, 0, 1) * near(x),   q_a = support_quantile

    z_p is the z of the branch ``proximity``. D_hi is its ``proximity_quantile`` and D_mid its median, both over the
    out-of-fold target train normals. Q is the ``quantile`` of the train-normal base scores, F the smooth CDF of the
    branch ``support``. The ramp from the median on keeps R continuous; a step at D_hi would not. R is 0 up to Q, and
    never larger than the excess: with a strength of at most 1 no clip falls below Q.

    Parameters
    ----------
    support : str
        The name of the branch that must agree.
    proximity : str
        The name of the branch that tells how near the target a clip is; best with a scorer of ``references =
        ["target"]`` and a normalizer of ``scope = "target"``.
    quantile : float
        As in :class:`~asdcore_plugins.guards.bases.excess.ExcessGuard`.
    support_quantile : float
        Quantile of ``support`` from which on it agrees in full, in (0, 1).
    proximity_quantile : float
        Quantile of ``proximity`` among target train normals up to which a clip is near, in (0.5, 1).

    Notes
    -----
    Cost: three sorts of the train normals, and a search among them for each clip.

    References
    ----------
    Section 3 of the DCASE 2026 report that ``channel_disagreement`` names has the cue; the formula is ours.

    Examples
    --------
    Two clips score 12 without support. The first is near the target and loses its excess, the second is far from it:

    >>> import asdcore, numpy as np
    >>> normals = np.arange(1.0, 11.0)
    >>> guard = asdcore.load_guard("target_proximity", support="other", proximity="target_knn")
    >>> guard = guard.fit(normals, {"other": normals, "target_knn": normals}, np.array(["target"] * 10))
    >>> z = {"other": np.array([-50.0, -50.0]), "target_knn": np.array([1.0, 30.0])}
    >>> guard.penalty(np.array([12.0, 12.0]), z).round(1)
    array([2.4, 0. ])
    """

    name = "target proximity"

    _middle: Number
    _far: Number
    _evidence: Annotated[SmoothEcdf, LEARNED]

    def __init__(
        self,
        support: str,
        proximity: str,
        quantile: float = 0.95,
        support_quantile: float = 0.8,
        proximity_quantile: float = 0.9,
    ) -> None:
        check_branch("support", support)
        check_branch("proximity", proximity)
        super().__init__(quantile)
        check_quantiles(support_quantile=support_quantile, proximity_quantile=proximity_quantile)
        if not proximity_quantile > 0.5:
            raise ValueError(f"proximity_quantile must lie above the median, 0.5, got {proximity_quantile}")
        self._support, self._proximity = support, proximity
        self._agrees, self._near_quantile = support_quantile, proximity_quantile

    def _fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> None:
        near = z[self._proximity][domain == "target"]
        if not len(near):
            raise DataError("target_proximity needs target train normals, and there are none. Take the guard out.")
        self._middle, self._far = (float(value) for value in np.quantile(near, [0.5, self._near_quantile]))
        if not self._far > self._middle:
            raise DataError(
                f"the median and the quantile {self._near_quantile} of the z of {self._proximity!r} are the same for "
                f"the {len(near)} target train normals, so nothing tells what is near them. Take the guard out."
            )
        self._evidence = SmoothEcdf(z[self._support])

    def _penalty(self, over: Floats, z: Mapping[str, Floats]) -> Floats:
        unsupported = ramp(self._evidence.cdf(z[self._support]), self._agrees, 0.0)
        near = ramp(z[self._proximity], self._far, self._middle)
        return over * unsupported * near
