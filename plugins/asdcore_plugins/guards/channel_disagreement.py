"""Takes back part of a score in the normal tail where branches of different channels disagree.

A near, a far and a residual view of one clip that say very different things are unreliable evidence, not an anomaly.
With Q the ``quantile`` of the train-normal base scores and F the smooth CDF of the disagreement among train normals::

    delta(x) = max_v z_v(x) - min_v z_v(x)   over ``branches``
    R(x)     = (base(x) - Q)+ * clip((F(delta(x)) - q_d) / (1 - q_d), 0, 1),   q_d = disagreement_quantile

R is 0 up to Q and wherever the branches disagree no more than they do in a share q_d of the train normals, continuous,
and never larger than the excess: with a strength of at most 1 no clip falls below Q. (The cue is that of section 3 of
the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection"; the formula is
ours.)

Parameters: ``branches``, at least two names; ``quantile`` and ``disagreement_quantile`` in (0, 1), default 0.95 both.
Cost: two sorts of the train normals; a search among them a clip.
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


class ChannelDisagreement:
    """Guard the tail above ``quantile`` where ``branches`` disagree beyond their ``disagreement_quantile``."""

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
        """Out-of-fold train normals: base score (n_train,) and z of every branch."""
        import numpy as np

        from asdcore import SmoothEcdf

        self._disagreement = None
        self._threshold = float(np.quantile(base, self._quantile))
        self._disagreement = SmoothEcdf(self._range(z))
        return self

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """(n_clips,) base score and z of every branch -> R (n_clips,) >= 0, in units of the base score."""
        if self._disagreement is None:
            raise DataError("this channel disagreement has no train normals yet: call fit(base, z, domain) first")
        doubt = ramp(self._disagreement.cdf(self._range(z)), self._ordinary, 1.0)
        return excess(base, self._threshold) * doubt

    def _range(self, z: Mapping[str, Floats]) -> Floats:
        """Return the largest z of the branches less the smallest (n,)."""
        import numpy as np

        values = [z[branch] for branch in self._branches]
        spread: Floats = np.maximum.reduce(values) - np.minimum.reduce(values)
        return spread


@hookimpl
def register_guards(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``channel_disagreement``."""
    register("channel_disagreement", ChannelDisagreement)
