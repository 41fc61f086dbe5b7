"""Tests the difference of two systems, and computes how large a difference these clips could have shown.

interval : BCa, of the difference of official scores, both systems under the same bootstrap weights (paired).
p : of a paired permutation test. If two systems are alike, it does not matter which of them gave a clip which rank.
    So within each section both systems' scores become ranks (ties share their mean), and a coin decides for each clip
    whether its two ranks are swapped, as in Bandos, Rockette and Gur (Statistics in Medicine 24, 2005) for the AUC:
    p = (1 + #{|swapped difference| >= |difference|}) / (1 + permutations), two-sided.
p_holm : the same, corrected for all pairs of the table (Holm 1979): one wrong claim or more among all claims with
    p_holm <= 0.05 happens at most once in twenty such tables.
standard_error : the standard deviation of the bootstrap differences.
smallest_detectable : (z_0.975 + z_0.8) standard errors = 2.80 of them: were the true difference this large, a two-sided
    test at 5 % on such a test set would find it in 80 of 100 repetitions. A smaller one mostly stays unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.digits import fixed
from asdcore.compute.threads import single_threaded
from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import rule
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.curves import Weights, cell_values, official_scores
from asdcore.evidence.uncertainty.interval import NORMAL, Interval, acceleration, bca
from asdcore.evidence.uncertainty.resample import check_draws, swaps
from asdcore.evidence.uncertainty.section_arrays import Section, machines_of

Floats = NDArray[np.float64]
SIGNIFICANT, POWER = 0.05, 0.8
ROUNDING = 1e-12
"""Differences closer than this count as equal: swapping ranks without effect must not look like a change."""


@dataclass(frozen=True)
class Difference:
    """The official score of ``first`` less that of ``second``.

    Attributes
    ----------
    first, second : str
        The systems.
    estimate : float
        The difference of their official scores, in [-1, 1].
    interval : Interval
        Its BCa interval.
    p, p_holm : float
        Of the paired permutation test, as it is and corrected for all pairs.
    smallest_detectable : float
        A true difference of this size would be found in 80 of 100 such test sets.
    standard_error : float
        The standard deviation of the bootstrap differences.

    """

    first: str
    second: str
    estimate: float
    interval: Interval
    p: float
    p_holm: float
    smallest_detectable: float
    standard_error: float

    @property
    def sentence(self) -> str:
        """The difference in one sentence, in points (hundredths of the official score)."""
        if self.standard_error == 0 and self.estimate == 0:
            return f"{self.first} and {self.second} have the same official score, whichever clips are drawn."
        better, worse = (self.first, self.second) if self.estimate >= 0 else (self.second, self.first)
        ahead = f"{better} is {fixed(100 * abs(self.estimate))} points above {worse}"
        if self.p_holm <= SIGNIFICANT:
            return f"{ahead}, which chance hardly explains (p {self.p_holm:.2g} after Holm's correction)."
        return (
            f"{ahead}, which may be chance (p {self.p_holm:.2g} after Holm's correction); "
            f"these clips could have shown a difference of {fixed(100 * self.smallest_detectable)} points."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the difference as plain numbers, fractions in [-1, 1]."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.estimate,
            "ci95": self.interval.as_json(),
            "p": self.p,
            "p_holm": self.p_holm,
            "smallest_detectable": self.smallest_detectable,
            "standard_error": self.standard_error,
            "sentence": self.sentence,
        }


def differences(
    table: pl.DataFrame, year: int, *, replicates: int = 2000, permutations: int = 2000, seed: int = 0
) -> list[Difference]:
    """Compare every two systems of a joined table, in sorted order.

    Parameters
    ----------
    table, year, replicates
        As :func:`asdcore.evidence.uncertainty.intervals`.
    permutations : int, default 2000
        Permutations of each pair, at least 1.
    seed : int, default 0
        Seed of the bootstrap and of the permutations.

    Returns
    -------
    list of Difference
        One for every two systems.

    Raises
    ------
    EvaluationError
        If there are fewer than two systems, the table is incomplete, or a parameter is out of range.

    References
    ----------
    As :func:`asdcore.compare`.

    Examples
    --------
    >>> clips = {"machine": "fan", "section": "00", "clip": [f"{i:02d}.wav" for i in range(40)]}
    >>> truth = {"label": [i % 2 for i in range(40)], "domain": ["source"] * 20 + ["target"] * 20}
    >>> scores = {name: [float(7 * i % 40 + gain * (i % 2)) for i in range(40)] for name, gain in (("A", 5), ("B", 30))}
    >>> table = pl.concat(
    ...     pl.DataFrame({**clips, "system": name, "score": values, **truth}) for name, values in scores.items()
    ... )
    >>> (difference,) = differences(table, 2026, replicates=200, permutations=200)
    >>> print(difference.sentence)
    B is ... points above A, which chance hardly explains (p ... after Holm's correction).

    """
    return pairwise(Resampled.of(table, year, replicates, seed), permutations)


def intervals_below(whole: str, table: pl.DataFrame, year: int, *, replicates: int) -> dict[str, Interval]:
    """Return how far each other system lies below one of them, with paired BCa intervals and no test.

    table, year, replicates : as of :func:`differences`.
    """
    drawn = Resampled.of(table, year, replicates, seed=0)
    first = drawn.systems.index(whole)
    others = [place for place in range(len(drawn.systems)) if place != first]
    return {drawn.systems[second]: _apart(drawn, first, second)[0] for second in others}


def pairwise(
    drawn: Resampled, permutations: int, advance: Callable[[int], object] = lambda pairs: None
) -> list[Difference]:
    """Compare every two systems of a table that was resampled; ``advance(1)`` is called after each pair."""
    if permutations < 1:
        raise EvaluationError(f"permutations is {permutations}; a permutation test needs at least 1, better 2000.")
    check_draws("permutations", permutations)
    pairs = list(itertools.combinations(range(len(drawn.systems)), 2))
    if not pairs:
        raise EvaluationError(f"There is only the system {drawn.systems[0]}: a difference needs two.")
    ps = []
    with single_threaded():
        for first, second in pairs:
            ps.append(_permutation_p(drawn, first, second, permutations))
            advance(1)
    return [_difference(drawn, *pair, p, p_holm) for pair, p, p_holm in zip(pairs, ps, holm(ps), strict=True)]


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's step-down method (Scandinavian J. of Statistics 6, 1979)."""
    corrected, largest = [0.0] * len(ps), 0.0
    for step, i in enumerate(np.argsort(ps, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(ps) - step) * ps[i]))
        corrected[i] = largest
    return corrected


def _difference(drawn: Resampled, first: int, second: int, p: float, p_holm: float) -> Difference:
    interval, replicates = _apart(drawn, first, second)
    error = float(replicates.std(ddof=1))
    detectable = (NORMAL.inv_cdf(1 - SIGNIFICANT / 2) + NORMAL.inv_cdf(POWER)) * error
    names = drawn.systems[first], drawn.systems[second]
    return Difference(*names, interval.estimate, interval, p, p_holm, detectable, error)


def _apart(drawn: Resampled, first: int, second: int) -> tuple[Interval, Floats]:
    """Return the BCa interval of the difference of two systems, and its bootstrap replicates (replicates,)."""
    estimate, replicates, left_out = (
        values[first] - values[second]
        for values in (drawn.official_point, drawn.official_replicates, drawn.official_left_out)
    )
    return bca(float(estimate), replicates, acceleration(left_out, drawn.strata, drawn.recordings), 0.95), replicates


def _permutation_p(drawn: Resampled, first: int, second: int, permutations: int) -> float:
    """Swap two systems' ranks of clips, the same swaps for every pair of systems."""
    after: list[tuple[Floats, Floats]] = []
    for section in drawn.sections:
        chosen = swaps(section.name, len(section.anomalous), permutations, drawn.seed, section.recordings)
        chosen = np.hstack([np.zeros_like(chosen[:, :1]), chosen])  # the first column swaps nothing
        after.append(_swapped(section, first, second, chosen, drawn.year))
    machines = machines_of(drawn.sections)
    left, right = (official_scores(np.stack(values), machines, rule(drawn.year)) for values in zip(*after, strict=True))
    observed, *rest = np.abs(left - right)
    return (1 + int(np.sum(np.array(rest) >= observed - ROUNDING))) / (1 + permutations)


def _swapped(section: Section, first: int, second: int, chosen: Weights, year: int) -> tuple[Floats, Floats]:
    """(n_clips, permutations) of swaps -> the cells of both systems after them, (n_cells, permutations) each.

    Every clip enters twice, with the rank of either system, and the weights select which of the two counts.
    """
    ranks = np.concatenate([_ranks(section.scores[first]), _ranks(section.scores[second])])
    anomalous, domains = np.tile(section.anomalous, 2), np.tile(section.domains, 2)
    kept, taken = np.concatenate([1 - chosen, chosen]), np.concatenate([chosen, 1 - chosen])
    cells = rule(year).cells
    left, right = (cell_values(cells, ranks, anomalous, domains, weights) for weights in (kept, taken))
    return left, right


def _ranks(scores: Floats) -> Floats:
    """(n_clips,) -> ranks from 1 (n_clips,), tied scores sharing the mean of theirs."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[place]
    return ranks
