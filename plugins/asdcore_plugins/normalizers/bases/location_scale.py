"""The base of normalizers that subtract a centre and divide by a scale: z = (s - centre) / scale.

Under shrinkage, with kappa = ``shrinkage`` and c(n) the expected scale of n Gaussian values over that of infinitely
many::

    centre_t* = (n_t centre_t + kappa centre_s) / (n_t + kappa)
    log scale_t* = (n_t log(scale_t / c(n_t)) + kappa log scale_s) / (n_t + kappa)

One target clip has a place but no spread: its scale is the source's.

They have one scope more: ``domain_soft`` is ``domain_min`` with a soft minimum, -T log(mean_d exp(-z_d / T)), T being
the ``temperature`` in units of z. Toward T = 0 it is the minimum, for large T the mean. (The soft weights of published
code, exp(-d) of the distances, can let z fall where a distance rises; this cannot.)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from asdcore_plugins.normalizers.bases.domain_scope import SCOPES, Curve, ScopedNormalizer
from asdcore_plugins.stats.arrays import Floats

SOFT = "domain_soft"


class LocationScale(ScopedNormalizer):
    """A normalizer by centre and scale; what it adds are :meth:`_location_scale` and :meth:`_bias`."""

    scopes = (*SCOPES, SOFT)

    def __init__(self, scope: str, shrinkage: float, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be a number above 0, got {temperature}")
        self._temperature = float(temperature)

    @abstractmethod
    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        """Train-normal scores (n,) -> centre and scale > 0; raises DataError where they have no spread."""

    @abstractmethod
    def _bias(self, n: int) -> float:
        """Return c(n) for n >= 2."""

    def _curve(self, scores: Floats, which: str) -> Curve:
        return line(*self._location_scale(scores, which))

    def _target_curve(self, target: Floats, source: Floats) -> Curve:
        return line(*self._shrunk(target, self._location_scale(source, "source")))

    def _shrunk(self, target: Floats, source: tuple[float, float]) -> tuple[float, float]:
        """The target's centre and scale, drawn toward the source's."""
        n = len(target)
        if n == 1:
            own, drawn = n / (n + self._shrinkage), self._drawn(n)
            return own * float(target[0]) + drawn * source[0], source[1]
        return shrunk(n, self._location_scale(target, "target"), source, self._bias(n), self._shrinkage)

    def _one(self, z: Sequence[Floats]) -> Floats:
        smallest = super()._one(z)
        if self._scope != SOFT or len(z) == 1:
            return smallest
        total = sum(np.exp((smallest - one) / self._temperature) for one in z)
        soft: Floats = smallest - self._temperature * np.log(total / len(z))
        return soft


def shrunk(
    n: int, target: tuple[float, float], source: tuple[float, float], bias: float, kappa: float
) -> tuple[float, float]:
    """Centre and scale of n target clips, drawn toward the source's with the weight of ``kappa`` clips."""
    own, drawn = n / (n + kappa), kappa / (n + kappa)
    log_scale = own * math.log(target[1] / bias) + drawn * math.log(source[1])
    return own * target[0] + drawn * source[0], math.exp(log_scale)


def line(centre: float, scale: float) -> Curve:
    """Return (s - centre) / scale."""
    return lambda scores: (scores - centre) / scale
