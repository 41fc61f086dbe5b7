"""Takes back part of a score in the normal tail that other evidence does not support, for clips close to the target.

What a detector takes for anomalous is often only of the target domain, of which it has heard ten clips. The tail guard
(see ``tail``) is therefore confined to clips near the target bank, by a branch ``proximity`` that scores against it::

    near(x) = clip((D_hi - z_p(x)) / (D_hi - D_mid), 0, 1)
    R(x)    = (base(x) - Q)+ * clip((q_a - F(z_support(x))) / q_a, 0, 1) * near(x),   q_a = support_quantile

z_p is the z of the branch ``proximity``, D_hi its ``proximity_quantile`` and D_mid its median, both over the
out-of-fold target train normals; Q is the ``quantile`` of the train-normal base scores, F the smooth CDF of the branch
``support``. The ramp from the median on keeps R continuous; a step at D_hi would not. R is 0 up to Q, and never
larger than the excess: with a strength of at most 1 no clip falls below Q. (The cue is that of section 3 of the DCASE
2026 report "Robust train-normal calibration for first-shot machine sound anomaly detection"; the formula is ours.)

Parameters: ``support`` and ``proximity``, names of branches, the latter best with a scorer of ``references =
["target"]`` and a normalizer of ``scope = "target"``; ``quantile`` (0.95), ``support_quantile`` (0.8) and
``proximity_quantile`` (0.9, above 0.5) in (0, 1). Cost: three sorts of the train normals; a search among them a clip.
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


class TargetProximity:
    """Guard the tail above ``quantile`` with ``support``, for clips that ``proximity`` finds near the target bank."""

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
        check_quantiles(quantile=quantile, support_quantile=support_quantile, proximity_quantile=proximity_quantile)
        if not proximity_quantile > 0.5:
            raise ValueError(f"proximity_quantile must lie above the median, 0.5, got {proximity_quantile}")
        self._support, self._proximity = support, proximity
        self._quantile, self._agrees, self._near_quantile = quantile, support_quantile, proximity_quantile
        self._evidence: SmoothEcdf | None = None

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: NDArray[np.str_]) -> TargetProximity:
        """Out-of-fold train normals: base score (n_train,), z of every branch, domain.

        Raises DataError without target clips, or where their proximity has no spread.
        """
        import numpy as np

        from asdcore import SmoothEcdf

        self._evidence = None
        near = z[self._proximity][domain == "target"]
        if not len(near):
            raise DataError("target_proximity needs target train normals, and there are none. Take the guard out.")
        self._middle, self._far = (float(one) for one in np.quantile(near, [0.5, self._near_quantile]))
        if not self._far > self._middle:
            raise DataError(
                f"the median and the quantile {self._near_quantile} of the z of {self._proximity!r} are the same for "
                f"the {len(near)} target train normals, so nothing tells what is near them. Take the guard out."
            )
        self._threshold = float(np.quantile(base, self._quantile))
        self._evidence = SmoothEcdf(z[self._support])
        return self

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """(n_clips,) base score and z of every branch -> R (n_clips,) >= 0, in units of the base score."""
        if self._evidence is None:
            raise DataError("this target proximity has no train normals yet: call fit(base, z, domain) first")
        unsupported = ramp(self._evidence.cdf(z[self._support]), self._agrees, 0.0)
        near = ramp(z[self._proximity], self._far, self._middle)
        return excess(base, self._threshold) * unsupported * near


@hookimpl
def register_guards(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``target_proximity``."""
    register("target_proximity", TargetProximity)
