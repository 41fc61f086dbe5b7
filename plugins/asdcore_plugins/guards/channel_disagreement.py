"""The guard ``channel_disagreement``: high scores need channels that agree."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import SmoothEcdf
from asdcore_plugins.guards.bases.excess import ExcessGuard
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.distributions.tail import ramp
from asdcore_plugins.stats.learned import LEARNED
from asdcore_plugins.stats.parameters import check_branch, check_quantiles


class ChannelDisagreement(ExcessGuard):
    """Takes back part of a score in the normal tail if branches of different channels disagree.

    A near, a far and a residual view of one clip that say very different things are unreliable evidence, not an
    anomaly. With Q the ``quantile`` of the train-normal base scores and F the smooth CDF of the disagreement among
    train normals::

        delta(x) = max_v z_v(x) - min_v z_v(x)   over ``branches``
        R(x)     = (base(x) - Q)+ * clip((F(delta(x)) - q_d) / (1 - q_d), 0, 1),   q_d = disagreement_quantile

    R is 0 up to Q, and for every clip whose branches disagree no more than those of a share q_d of the train normals.
    It is continuous, and never larger than the excess: with a strength of at most 1 no clip falls below Q.

    Parameters
    ----------
    branches : list of str
        Names of at least two branches to compare.
    quantile : float
        As in :class:`~asdcore_plugins.guards.bases.excess.ExcessGuard`.
    disagreement_quantile : float
        Quantile of the train-normal disagreement from which on a score is doubted, in (0, 1).

    Raises
    ------
    ValueError
        If a parameter is out of its range, or fewer than two branches are named.

    Notes
    -----
    Cost: two sorts of the train normals, and a search among them for each clip.

    References
    ----------
    The cue is that of section 3 of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound
    anomaly detection"; the formula is ours.

    Examples
    --------
    Two clips score 12. The branches agree on the first, and disagree about the second more than on any train normal:

    >>> import asdcore, numpy as np
    >>> normals = np.arange(1.0, 11.0)
    >>> guard = asdcore.load_guard("channel_disagreement", branches=["near", "far"])
    >>> guard = guard.fit(normals, {"near": normals, "far": np.zeros(10)}, np.array(["source"] * 10))
    >>> penalty = guard.penalty(np.array([12.0, 12.0]), {"near": np.array([3.0, 1e9]), "far": np.zeros(2)})
    >>> penalty.round(1)
    array([0. , 2.4])
    """

    name = "channel disagreement"

    _disagreement: Annotated[SmoothEcdf, LEARNED]

    def __init__(self, branches: list[str], quantile: float = 0.95, disagreement_quantile: float = 0.95) -> None:
        if not isinstance(branches, list | tuple):
            raise ValueError(f"branches must be a list of names, got {branches!r}")
        for branch in branches:
            check_branch("each of branches", branch)
        if len(set(branches)) < 2:
            raise ValueError(f"branches must name at least two branches, got {branches!r}")
        super().__init__(quantile)
        check_quantiles(disagreement_quantile=disagreement_quantile)
        self._branches, self._ordinary = sorted(set(branches)), disagreement_quantile

    def _fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> None:
        self._disagreement = SmoothEcdf(self._range(z))

    def _penalty(self, over: Floats, z: Mapping[str, Floats]) -> Floats:
        doubt = ramp(self._disagreement.cdf(self._range(z)), self._ordinary, 1.0)
        return over * doubt

    def _range(self, z: Mapping[str, Floats]) -> Floats:
        """Return the largest z of the branches less the smallest (n,)."""
        values = [z[branch] for branch in self._branches]
        spread: Floats = reduce(np.maximum, values) - reduce(np.minimum, values)
        return spread
