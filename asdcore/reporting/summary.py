"""The first minute: which system is best, whether that is more than chance, where it is weak, how often one looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asdcore.basics.digits import fixed
from asdcore.evidence.uncertainty import Difference, Interval
from asdcore.evidence.uncertainty.paired import SIGNIFICANT
from asdcore.reporting.reported_runs import Subject
from asdcore.reporting.statistics import Worth


def headline(worth: Worth, subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> list[str]:
    """Return what a person should take home, a sentence each, the most important first."""
    if not worth.official:
        return ["There are no labels: this report shows scores, not how good they are."]
    best = max(sorted(worth.official), key=lambda one: worth.official[one].estimate)
    many = f", the highest of {len(worth.official)} systems" if len(worth.official) > 1 else ""
    said = [f"{best} has an official score of {percent(worth.official[best])}{many}."]
    said += _compared(best, worth.differences)
    weakest = min((row for row in worth.cells if row["system"] == best), key=lambda row: float(row["estimate"]))
    place = places[weakest["machine"], weakest["section"]]
    said.append(
        f"Its weakest cell is the {weakest['cell']} of {place}: {weakest['estimate']:.1f} "
        f"({weakest['low']:.1f} to {weakest['high']:.1f})."
    )
    looks = max(one.looks or 0 for one in subjects)
    said.append(
        f"These labels have been looked at {looks} time{'s' * (looks > 1)}, this report included: the more often "
        "results were chosen by them, the more the best one flatters itself."
    )
    return said


def percent(interval: Interval) -> str:
    """Return an interval in percent: "71.7 (95 % interval 66.1 to 76.0)"."""
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:.1f} ({interval.level:.0%} interval {fixed(low, 1)} to {fixed(high, 1)})".replace(
        "%", " %"
    )


def matrix(worth: Worth) -> list[dict[str, Any]]:
    """Return a row for each system, best first: its name, and a cell against every other: points, and what to call it.

    ``verdict`` is "better", "worse", "even" (may be chance) or "none" (itself, or not comparable).
    """
    names = sorted(worth.official, key=lambda one: (-worth.official[one].estimate, one))
    pairs = {frozenset((one.first, one.second)): one for one in worth.differences}
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
    """Say which systems the best one surely beats, and which it cannot be told from."""
    own = [one for one in differences if best in (one.first, one.second)]
    other = {id(one): one.second if one.first == best else one.first for one in own}
    sure = [other[id(one)] for one in own if one.p_holm <= SIGNIFICANT]
    even = [one for one in own if one.p_holm > SIGNIFICANT]
    said = []
    if sure:
        said.append(f"It is better than {listed(sure)} by more than chance explains.")
    if even:
        seen = max(100 * one.smallest_detectable for one in even)
        said.append(
            f"It cannot be told from {listed([other[id(one)] for one in even])}: "
            f"a difference below about {fixed(seen, 1)} points mostly stays unseen with these clips."
        )
    return said


def listed(names: Sequence[str]) -> str:
    """Return names as a person lists them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
