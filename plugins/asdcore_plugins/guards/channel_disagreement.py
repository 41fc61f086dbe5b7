"""The guard ``channel_disagreement``: high scores need channels that agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, SmoothEcdf
from asdcore_plugins.stats.distributions.tail import excess, ramp
from asdcore_plugins.stats.parameters import check_branch, check_quantiles

Floats = NDArray[np.float64]


class ChannelDisagreement:
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
        Quantile of the train-normal base scores at which the tail begins, in (0, 1).
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

    def __init__(self, branches: list[str], quantile: float = 0.95, disagreement_quantile: float = 0.95) -> None:
        if not isinstance(branches, list | tuple):
            raise ValueError(f"branches must be a list of names, got {branches!r}")
        for branch in branches:
            check_branch("each of branches", branch)
        if len(set(branches)) < 2:
            raise ValueError(f"branches must name at least two branches, got {branches!r}")
        check_quantiles(quantile=quantile, disagreement_quantile=disagreement_quantile)
        self._branches, self._quantile, self._ordinary = sorted(set(branches)), quantile, disagreement_quantile
        self._disagreement: SmoothEcdf | None = None

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> ChannelDisagreement:
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
        ChannelDisagreement
            Itself.
        """
        self._disagreement = None
        self._threshold = float(np.quantile(base, self._quantile))
        self._disagreement = SmoothEcdf(self._range(z))
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
        if self._disagreement is None:
            raise DataError("this channel disagreement has no train normals yet: call fit(base, z, domain) first")
        doubt = ramp(self._disagreement.cdf(self._range(z)), self._ordinary, 1.0)
        return excess(base, self._threshold) * doubt

    def _range(self, z: Mapping[str, Floats]) -> Floats:
        """Return the largest z of the branches less the smallest (n,)."""
        values = [z[branch] for branch in self._branches]
        spread: Floats = np.maximum.reduce(values) - np.minimum.reduce(values)
        return spread
