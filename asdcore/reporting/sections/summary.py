"""Sum up a report in sentences: the best system, whether its lead is more than chance, its weakest cell, the looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asdcore.basics.digits import fixed
from asdcore.evidence.evaluations.trials import TrialsEvaluation
from asdcore.evidence.uncertainty import Difference, Interval
from asdcore.evidence.uncertainty.paired import SIGNIFICANT
from asdcore.reporting.reported_runs import Subject, total_name
from asdcore.reporting.statistics import Statistics
from asdcore.runs.called import called


def headline(statistics: Statistics, subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> list[str]:
    """Return the main findings, a sentence each, the most important first."""
    if not statistics.official:
        anomalous = [sentence for subject in subjects for sentence in called(subject.run, subject.title)]
        return ["There are no labels: this report shows scores, not how good they are.", *anomalous]
    best = max(sorted(statistics.official), key=lambda system: statistics.official[system].estimate)
    many = f", the highest of {len(statistics.official)} systems" if len(statistics.official) > 1 else ""
    total = total_name(subjects)
    article = "an" if total.startswith("o") else "a"
    sentences = [f"{best} has {article} {total} of {percent(statistics.official[best])}{many}."]
    sentences += _over_trials(best, subjects)
    sentences += _compared(best, statistics.differences)
    sentences.append(_weakest(best, statistics, places))
    looks = max(subject.looks or 0 for subject in subjects)
    sentences.append(
        f"These labels have been looked at {looks} time{'s' * (looks > 1)}, this report included: the more often "
        "results were chosen by them, the more the best one flatters itself."
    )
    return sentences


def _weakest(best: str, statistics: Statistics, places: Mapping[tuple[str, str], str]) -> str:
    """Say which cell of the best system is the weakest, unless all are perfect."""
    weakest = min((row for row in statistics.cells if row["system"] == best), key=lambda row: float(row["estimate"]))
    if float(weakest["estimate"]) == 100:
        return "All its cells are 100: test clips as easy as these do not show which of several systems is better."
    place = places[weakest["machine"], weakest["section"]]
    return (
        f"Its weakest cell is the {weakest['cell']} of {place}: {weakest['estimate']:.1f} "
        f"({weakest['low']:.1f} to {weakest['high']:.1f})."
    )


def _over_trials(best: str, subjects: Sequence[Subject]) -> list[str]:
    """Say how far the trials of the best system lie apart, if there are several."""
    for subject in subjects:
        evaluation = subject.evaluation
        names = {subject.title(system): system for system in subject.systems}
        if not isinstance(evaluation, TrialsEvaluation) or best not in names:
            continue
        if (sd := evaluation.sd(names[best])) is not None:
            trials = len(evaluation.trials)
            return [f"That is the mean of {trials} trials, whose standard deviation is {fixed(100 * sd)} points."]
    return []


def percent(interval: Interval) -> str:
    """Return an interval in percent: "71.7 (95 % interval 66.1 to 76.0)"."""
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:.1f} ({interval.level:.0%} interval {fixed(low, 1)} to {fixed(high, 1)})".replace(
        "%", " %"
    )


def matrix(statistics: Statistics) -> list[dict[str, Any]]:
    """Return a row for each system, best first: its name, and a cell with the difference from every other in points.

    ``verdict`` is "better", "worse", "even" (may be chance) or "none" (itself, or not comparable).
    """
    names = sorted(statistics.official, key=lambda system: (-statistics.official[system].estimate, system))
    pairs = {frozenset((difference.first, difference.second)): difference for difference in statistics.differences}
    rows = []
    for first in names:
        cells = [_against(first, pairs.get(frozenset((first, second)))) for second in names]
        rows.append({"system": first, "cells": cells})
    return rows


def _against(system: str, pair: Difference | None) -> dict[str, Any]:
    if pair is None or pair.first == pair.second:
        return {"verdict": "none", "points": "", "sentence": ""}
    points = 100 * (pair.estimate if pair.first == system else -pair.estimate)
    verdict = "even" if pair.p_holm > SIGNIFICANT else ("better" if points > 0 else "worse")
    return {"verdict": verdict, "points": fixed(points, 1, signed=True) if points else "0.0", "sentence": pair.sentence}


def _compared(best: str, differences: Sequence[Difference]) -> list[str]:
    """Say which systems the best one beats significantly, and from which it does not differ significantly."""
    own = [difference for difference in differences if best in (difference.first, difference.second)]
    other = {id(difference): difference.second if difference.first == best else difference.first for difference in own}
    sure = [other[id(difference)] for difference in own if difference.p_holm <= SIGNIFICANT]
    even = [difference for difference in own if difference.p_holm > SIGNIFICANT]
    sentences = []
    if sure:
        sentences.append(f"It is better than {listed(sure)} by more than chance explains.")
    if even:
        seen = max(100 * difference.smallest_detectable for difference in even)
        sentences.append(
            f"It does not differ significantly from {listed([other[id(difference)] for difference in even])}: "
            f"a difference below about {fixed(seen, 1)} points mostly stays unseen with these clips."
        )
    return sentences


def listed(names: Sequence[str]) -> str:
    """Return names as a person lists them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
