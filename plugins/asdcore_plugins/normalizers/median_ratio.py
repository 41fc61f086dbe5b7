"""The normalizer ``median_ratio``: distances as multiples of a normal one."""

from __future__ import annotations

import math

import numpy as np

from asdcore import DataError
from asdcore_plugins.normalizers.bases.location_scale import ByLine, Line
from asdcore_plugins.stats.arrays import Floats


class MedianRatio(ByLine):
    """Scores as multiples of the median train normal: z = s / median.

    What the score of a normal clip is worth differs by domain: against ten target clips every clip is far. By domain,
    and with the smaller ratio taken, this is the domain scaling of the 2026 systems SCOPE and DACo ("ratio"). It keeps
    the zero of a distance and needs no scale, so it fits scores that are distances. It refuses negative scores. Under
    shrinkage log median_t* = (n_t log median_t + kappa log median_s) / (n_t + kappa).

    Parameters
    ----------
    scope, shrinkage
        As in :class:`~asdcore_plugins.normalizers.bases.domain_scope.ScopedNormalizer`.

    Notes
    -----
    Cost: one selection among the train normals.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> distances = np.array([0.1, 0.2, 0.3])
    >>> ratio = asdcore.load_normalizer("median_ratio").fit({"pooled": distances}, np.array(["source"] * 3))
    >>> ratio.transform({"pooled": np.array([0.0, 0.2, 0.5])}).tolist()
    [0.0, 1.0, 2.5]
    """

    name = "median_ratio"

    def _scale(self, scores: Floats, which: str) -> Line:
        return Line(0.0, _median(scores, which))

    def _target_scale(self, target: Floats, source: Floats) -> Line:
        drawn = self._drawn(len(target))
        own, other = math.log(_median(target, "target")), math.log(_median(source, "source"))
        return Line(0.0, math.exp((1.0 - drawn) * own + drawn * other))


def _median(scores: Floats, which: str) -> float:
    """The median of scores (n,); raises DataError unless all are distances and half are above 0."""
    median = float(np.median(scores))
    if not (scores >= 0).all() or not median > 0:
        raise DataError(
            f"the {len(scores)} train-normal scores ({which}) go down to {float(np.min(scores)):g} with a median of "
            f"{median:g}; a ratio needs scores of at least 0 and a median above it. Use median_iqr."
        )
    return median
