"""Train-normal scores so extreme that they alone set the scale of a normalizer.

One left-out score of 1e8 among 200 near 5 (a repeated clip under a density scorer, a broken recording) makes a standard
deviation so large that every other clip gets the same z. A robust normalizer tolerates it; any other must warn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from asdcore import DataError
from asdcore_plugins.stats.arrays import Floats

Curve = Callable[[Floats], Floats]


EXTREME = 1000.0
"""A score is extreme if it lies this many median absolute deviations from the median. No scorer that we know of has a
distribution that reaches so far, and up to half of the scores may be extreme without hiding it."""

VANISHING = 1e-6
"""A positive score below this share of the median is extreme too: a fit of logarithms would rest on it alone."""

SQUEEZED = 0.5
"""A normalizer tolerates extreme scores if the others keep more than this share of their width in z: from the lower to
the upper quartile, from the median to the largest, and as far again beyond the largest, where anomalies lie."""

MOVED = 3.0
"""It also requires that their median moves by fewer of these widths than this."""


def warn_of_extremes(name: str, which: str, scores: Floats, curve: Curve, refit: Callable[[Floats], Curve]) -> None:
    """Warn if a few extreme train-normal scores squeeze all others onto nearly one z.

    Parameters
    ----------
    name
        Name of the normalizer.
    which
        Whose scores they are, for the message.
    scores
        (n,) scores of train normals.
    curve
        The curve that was fitted to them.
    refit
        Fits a curve to the scores (m,) that are not extreme.
    """
    away = np.abs(scores - np.median(scores))
    spread = float(np.median(away))
    extreme = (away > EXTREME * spread) | ((scores > 0) & (scores < VANISHING * np.median(scores)))
    if spread == 0 or not extreme.any():
        return
    rest = scores[~extreme]
    points = np.quantile(rest, [0.25, 0.5, 0.75, 1.0])
    points = np.append(points, 2.0 * points[3] - points[1])
    try:
        before = refit(rest)(points)
    except DataError:  # too few scores are left to compare with
        return
    if not _tolerates(before, curve(points)):
        farthest = scores[np.flatnonzero(extreme)[away[extreme].argmax()]]
        warnings.warn(
            f"{name}: {int(extreme.sum())} of the {len(scores)} train-normal scores ({which}) decide the scale: the "
            f"farthest is {farthest:.3g}, the median {np.median(scores):.3g}. Without them the z of other clips would "
            "lie far wider apart. Look for repeated clips or a broken recording among the train normals, or use the "
            "normalizer ecdf, which bears them.",
            stacklevel=6,
        )


def _tolerates(before: Floats, after: Floats) -> bool:
    """z (5,) of quartiles, largest score and beyond, fitted without and with the extreme scores -> whether alike."""
    middle, upper, beyond = before[2] - before[0], before[3] - before[1], before[4] - before[3]
    squeezed = after[2] - after[0] <= SQUEEZED * middle or after[3] - after[1] <= SQUEEZED * upper
    # Normalizers by rank hardly rise beyond the largest score, whatever the others are.
    squeezed = squeezed or (beyond > SQUEEZED * upper and after[4] - after[3] <= SQUEEZED * beyond)
    return not squeezed and bool(abs(after[1] - before[1]) < MOVED * middle)
