"""Compare the false-positive rates that thresholds promise, by clip and by recording, with those that came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asdcore.basics.digits import fixed
from asdcore.errors import AsdcoreError
from asdcore.evidence.false_alarms.group_thresholds import GroupThresholds, group_thresholds
from asdcore.evidence.false_alarms.rates import ADVICE, Rates
from asdcore.evidence.false_alarms.side_by_side import side_by_side, why_nothing
from asdcore.held_out import seen_notes
from asdcore.reporting.reported_runs import Subject

SHARES = ("nominal", "new", "came_one_by_one", "by_group", "came")


def promises(subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return the part of the page on promised false-positive rates.

    means : a row for each system and domain, means over machines in percent. rows : the same for each machine.
    sentences : the systems and domains for which leave-one-out and groups disagree. limits : thresholds that count
    groups, for each machine and system. notes : what is unknown.
    """
    content: dict[str, list[Any]] = {"means": [], "rows": [], "sentences": [], "limits": [], "notes": []}
    for subject in subjects:
        content["notes"] += [f"{subject.name}: {note}" for note in seen_notes(subject.run.about.get("out_of_fold", []))]
        limits = group_thresholds(subject.run)
        content["limits"] += [_limits(subject, places, limit) for limit in limits]
        content["notes"] += [f"{subject.name}: {limit.doubt}" for limit in limits if limit.doubt]
        try:
            rates = side_by_side(subject.run, labels=subject.labels)
        except AsdcoreError as error:
            content["notes"].append(f"The promise of leave-one-out for {subject.name} is unknown: {error}")
            continue
        if not rates:
            content["notes"].append(f"{subject.name}: {why_nothing(subject.run)}")
        for system in dict.fromkeys(rate.system for rate in rates):
            for domain in dict.fromkeys(rate.domain for rate in rates if rate.system == system):
                own = [rate for rate in rates if (rate.system, rate.domain) == (system, domain)]
                title = subject.title(system)
                content["means"].append({"system": title, "domain": domain, **_mean(own)})
                content["rows"] += [{"place": places[rate.machine, rate.section], **_row(title, rate)} for rate in own]
                content["sentences"] += _sentence(title, own)
    return content


def _limits(subject: Subject, places: Mapping[tuple[str, str], str], limit: GroupThresholds) -> dict[str, Any]:
    """Return the thresholds of one machine and system as text."""
    numbers = {key: getattr(limit, key) for key in ("threshold", "estimate", "bound")}
    return {
        "place": places[limit.machine, limit.section],
        "system": subject.title(limit.system),
        "normals": limit.normals,
        "groups": limit.groups,
        "smallest": _percent(limit.smallest),
        **{key: None if value is None else f"{value:.4g}" for key, value in numbers.items()},
    }


def _row(title: str, rate: Rates) -> dict[str, Any]:
    shares = {key: _percent(_known(rate, key)) for key in SHARES}
    return {"system": title, "domain": rate.domain, "normals": rate.normals, "groups": rate.groups, **shares}


def _known(rate: Rates, key: str) -> float | None:
    """Return a share; None if there are no labels, or too few groups to tell."""
    share: float | None = getattr(rate, key) if rate.enough or key != "new" else None
    return share


def _mean(own: Sequence[Rates]) -> dict[str, Any]:
    means = {}
    for key in SHARES:
        shares = [value for rate in own if (value := _known(rate, key)) is not None]
        means[key] = _percent(float(np.mean(shares))) if shares else None
    return means | {"normals": sum(rate.normals for rate in own), "groups": sum(rate.groups for rate in own)}


def _sentence(title: str, own: Sequence[Rates]) -> list[str]:
    """Say if neighbours make leave-one-out promise too much, over the machines of one system and domain."""
    wrong = [rate for rate in own if rate.disagree]
    if not wrong:
        return []
    mean = _mean(own)
    by_clip = own[0].by_clip
    above = "" if by_clip else f", {mean['came']} % above that of this run"
    came = (
        f" Of the labelled test normals {mean['came_one_by_one']} % lie above its threshold{above}."
        if mean["came_one_by_one"]
        else ""
    )
    over = f", a mean of {len(own)} machines" if len(own) > 1 else ""
    promised, give = (
        ("this run's leave-one-out promises", "would give") if by_clip else ("leave-one-out would promise", "give")
    )
    return [
        f"{title}, {own[0].domain}: neighbouring clips are near-duplicates: {promised} {mean['nominal']} % false "
        f"positives and {give} {mean['new']} % (by train normals alone{over}).{came}{f' {ADVICE}' if by_clip else ''}"
    ]


def _percent(value: float | None) -> str | None:
    return None if value is None else fixed(100 * value, 1)
