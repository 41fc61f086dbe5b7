"""The base of normalizers that subtract a centre and divide by a scale: z = (s - centre) / scale.

Under shrinkage, with kappa = ``shrinkage`` and c(n) the expected scale of n Gaussian values over that of infinitely
many::

    centre_t* = (n_t centre_t + kappa centre_s) / (n_t + kappa)
    log scale_t* = (n_t log(scale_t / c(n_t)) + kappa log scale_s) / (n_t + kappa)

A single target clip has a centre but no spread: its scale is the source's.

They have one scope more: ``domain_soft`` is ``domain_min`` with a soft minimum, -T log(mean_d exp(-z_d / T)), T being
the ``temperature`` in units of z. Toward T = 0 it is the minimum, for large T the mean. (With the soft weights of
published code, exp(-d) of the distances, z may fall when a distance rises; here it never does.)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.normalizers.bases.domain_scope import SCOPES, ScopedNormalizer
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import LEARNED, Learned, Number
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import between

SOFT = "domain_soft"


@dataclass(frozen=True)
class Line(Learned):
    """A centre and a scale."""

    centre: Number
    scale: Number


class ByLine(ScopedNormalizer[Line]):
    """A normalizer whose z is (s - centre) / scale."""

    _scales: Annotated[Mapping[str, Line], LEARNED]

    def _z(self, scale: Line, scores: Floats) -> Floats:
        return (scores - scale.centre) / scale.scale

    def to_onnx(self, scores: Mapping[str, OnnxValue]) -> OnnxValue:
        """Write the normalizer: {reference: score (1,)} -> z (1,)."""
        return written(self.transform, scores)


class LocationScale(ByLine):
    """A normalizer by centre and scale. A subclass implements :meth:`_location_scale` and :meth:`_bias`.

    Parameters
    ----------
    scope, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.domain_scope.ScopedNormalizer`; scope may be "domain_soft" too.
    temperature : float
        Softness of the minimum under "domain_soft", in units of z, above 0.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    scopes = (*SCOPES, SOFT)

    def __init__(self, scope: str = "domain_min", shrinkage: float = 10.0, temperature: float = 1.0) -> None:
        super().__init__(scope, shrinkage)
        self._temperature = between("temperature", temperature, 0, math.inf)

    @abstractmethod
    def _location_scale(self, scores: Floats, which: str) -> tuple[float, float]:
        """Train-normal scores (n,) -> centre and scale > 0; raise DataError if they have no spread."""

    @abstractmethod
    def _bias(self, n: int) -> float:
        """Return c(n) for n >= 2."""

    def _scale(self, scores: Floats, which: str) -> Line:
        return Line(*self._location_scale(scores, which))

    def _target_scale(self, target: Floats, source: Floats) -> Line:
        return Line(*self._shrunk(target, self._location_scale(source, "source")))

    def _shrunk(self, target: Floats, source: tuple[float, float]) -> tuple[float, float]:
        """The target's centre and scale, drawn toward the source's."""
        n = len(target)
        if n == 1:
            own, drawn = n / (n + self._shrinkage), self._drawn(n)
            return own * float(target[0]) + drawn * source[0], source[1]
        return shrunk(n, self._location_scale(target, "target"), source, self._bias(n), self._shrinkage)

    def _combined(self, z: Sequence[Floats]) -> Floats:
        smallest = super()._combined(z)
        if self._scope != SOFT or len(z) == 1:
            return smallest
        total = sum(np.exp((smallest - of_domain) / self._temperature) for of_domain in z)
        soft: Floats = smallest - self._temperature * np.log(total / len(z))
        return soft


def shrunk(
    n: int, target: tuple[float, float], source: tuple[float, float], bias: float, kappa: float
) -> tuple[float, float]:
    """Draw centre and scale of n target clips toward the source's with the weight of ``kappa`` clips.

    ``bias`` is c(n), as above.

    Examples
    --------
    >>> shrunk(10, (4.0, 1.0), (2.0, 1.0), 1.0, 10.0)
    (3.0, 1.0)
    """
    own, drawn = n / (n + kappa), kappa / (n + kappa)
    log_scale = own * math.log(target[1] / bias) + drawn * math.log(source[1])
    return own * target[0] + drawn * source[0], math.exp(log_scale)
