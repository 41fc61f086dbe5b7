"""Compares two systems over trials and clips at once: trials are paired by their seed, and all share the test clips.

This is the problem of diagnostic studies in which several readers judge the same cases by two methods: a trial is a
reader, a clip is a case. Obuchowski and Rockette (1995) take the variance of a mean difference from both, and Hillis
(2007) gives the degrees of freedom. For r trials with differences d_s of the official scores of two systems,

    var = S^2 / r + max(C, 0),    S^2 = sum_s (d_s - mean d)^2 / (r - 1),
    df  = (r - 1) ((S^2 + r max(C, 0)) / S^2)^2,

where C is the mean covariance of d_s and d_t, s != t, over other test clips: what all trials owe to the clips they
share. It is estimated from the bootstrap replicates, whose clips are drawn alike for all trials. The interval is
mean d -+ t_df sqrt(var), and the p-value that of Student's t. With two trials df can be as small as 1, where t is 12.7:
few trials say little, and the interval shows it. Systems that no seed changes have S = 0, and an interval over clips.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.digits import fixed
from asdcore.errors import EvaluationError
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.interval import Interval
from asdcore.evidence.uncertainty.paired import POWER, SIGNIFICANT, Difference, holm
from asdcore.evidence.uncertainty.student import AS_NORMAL, student_quantile, student_two_sided

Floats = NDArray[np.float64]
SHOWN = 8
"""Trials whose differences a sentence lists."""


@dataclass(frozen=True)
class TrialDifference(Difference):
    """The mean over trials of the official score of ``first`` less that of ``second``.

    ``standard_error``, ``interval``, ``p`` and ``smallest_detectable`` are over trials and clips.

    Attributes
    ----------
    by_seed : dict of int to float
        The difference in every trial.
    sd : float
        Their standard deviation: what other seeds may change.
    standard_error_clips : float
        The part of the standard error that all trials owe to the clips they share.
    degrees : float
        Degrees of freedom of Student's t; infinite if no trial differs from another.
    """

    by_seed: Mapping[int, float]
    sd: float
    standard_error_clips: float
    degrees: float

    @property
    def sentence(self) -> str:
        """The difference in one sentence, in points (hundredths of the official score)."""
        beginning, _, end = super().sentence.partition(", which ")
        if not end:
            return super().sentence.replace("whichever clips", "whichever trial is taken and whichever clips")
        leads = [difference if self.estimate >= 0 else -difference for difference in self.by_seed.values()]
        listed = f" ({', '.join(fixed(100 * lead, signed=True) for lead in leads)})" if len(leads) <= SHOWN else ""
        above = sum(lead > 0 for lead in leads)
        return (
            f"{beginning} in the mean of {len(leads)} trials, and above it in {above} of them{listed}, which "
            f"{end.replace('these clips', 'these trials and clips')}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the difference as plain numbers, fractions in [-1, 1]."""
        return {
            **super().as_json(),
            "trials": [{"seed": seed, "difference": value} for seed, value in self.by_seed.items()],
            "sd": self.sd,
            "standard_error_clips": self.standard_error_clips,
            "degrees_of_freedom": None if math.isinf(self.degrees) else self.degrees,
        }


def pairs_of_trials(
    drawn: Resampled, members: Mapping[str, Sequence[int]], seeds: Sequence[int]
) -> list[TrialDifference]:
    """Compare every two systems over their trials.

    Parameters
    ----------
    drawn : Resampled
        All trials of all systems under the same bootstrap weights.
    members : mapping of str to sequence of int
        The places of the trials of each system, in the order of ``seeds``.
    seeds : sequence of int
        The seeds, at least two.

    Returns
    -------
    list of TrialDifference
        One for every two systems, in the order of ``members``.

    Raises
    ------
    EvaluationError
        If there are fewer than two systems, or fewer than two trials.

    References
    ----------
    N. A. Obuchowski and H. E. Rockette, "Hypothesis testing of diagnostic accuracy for multiple readers and multiple
    tests: an ANOVA approach with dependent observations", Communications in Statistics: Simulation and Computation 24,
    1995.

    S. L. Hillis, "A comparison of denominator degrees of freedom methods for multiple observer ROC analysis",
    Statistics in Medicine 26, 2007.
    """
    if len(members) < 2:
        raise EvaluationError(f"There is only the system {', '.join(members)}: a difference needs two.")
    if len(seeds) < 2:
        raise EvaluationError("There is a single trial, which says nothing about other seeds. Run with --trials 2.")
    scores = {name: drawn.official_point[list(places)] for name, places in members.items()}
    replicates = {name: drawn.official_replicates[list(places)] for name, places in members.items()}
    pairs = []
    for first, second in itertools.combinations(members, 2):
        apart, resampled = scores[first] - scores[second], replicates[first] - replicates[second]
        pairs.append(_difference((first, second), dict(zip(seeds, apart.tolist(), strict=True)), resampled))
    corrected = holm([difference.p for difference in pairs])
    return [replace(difference, p_holm=p) for difference, p in zip(pairs, corrected, strict=True)]


def _difference(names: tuple[str, str], by_seed: dict[int, float], replicates: Floats) -> TrialDifference:
    """Differences by seed, their replicates (n_trials, replicates) -> what they say together; p is not corrected."""
    apart, r = np.array(list(by_seed.values())), len(by_seed)
    mean, spread = float(apart.mean()), float(apart.var(ddof=1))
    shared = np.cov(replicates)
    clips = max(0.0, float(shared.sum() - np.trace(shared)) / (r * (r - 1)))
    error = math.sqrt(spread / r + clips)
    degrees = (r - 1) * ((spread + r * clips) / spread) ** 2 if spread > 0 else math.inf
    degrees = degrees if degrees < AS_NORMAL else math.inf
    half = student_quantile(1 - SIGNIFICANT / 2, degrees) * error
    interval = Interval(mean, max(mean - half, -1.0), min(mean + half, 1.0), "trials")
    detectable = half + student_quantile(POWER, degrees) * error
    p = student_two_sided(mean / error, degrees) if error > 0 else float(mean == 0)
    of_clips, of_seeds = math.sqrt(clips), math.sqrt(spread)
    return TrialDifference(*names, mean, interval, p, p, detectable, error, by_seed, of_seeds, of_clips, degrees)
