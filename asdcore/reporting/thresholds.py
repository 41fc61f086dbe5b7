"""What thresholds promise by clip and by recording, beside what came: a table for a page, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asdcore.basics.digits import fixed
from asdcore.errors import AsdcoreError
from asdcore.evidence.group_thresholds import GroupThresholds, group_thresholds
from asdcore.evidence.rates import ADVICE, Rates
from asdcore.evidence.side_by_side import side_by_side, why_nothing
from asdcore.reporting.reported_runs import Subject

SHARES = ("nominal", "new", "came_one_by_one", "by_group", "came")


def promises(subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return what the page says of promises.

    means : a row for each system and domain, means over machines in percent. rows : one for each machine, too.
    sentences : where leave-one-out and groups disagree, of each system and domain. limits : thresholds that count
    groups, for each machine and system. notes : what cannot be told.
    """
    said: dict[str, list[Any]] = {"means": [], "rows": [], "sentences": [], "limits": [], "notes": []}
    for subject in subjects:
        limits = group_thresholds(subject.run)
        said["limits"] += [_limits(subject, places, one) for one in limits]
        said["notes"] += [f"{subject.name}: {one.doubt}" for one in limits if one.doubt]
        try:
            found = side_by_side(subject.run, labels=subject.labels)
        except AsdcoreError as error:
            said["notes"].append(f"What leave-one-out would promise of {subject.name} cannot be told: {error}")
            continue
        if not found:
            said["notes"].append(f"{subject.name}: {why_nothing(subject.run)}")
        for system in dict.fromkeys(one.system for one in found):
            for domain in dict.fromkeys(one.domain for one in found if one.system == system):
                own = [one for one in found if (one.system, one.domain) == (system, domain)]
                title = subject.title(system)
                said["means"].append({"system": title, "domain": domain, **_mean(own)})
                said["rows"] += [{"place": places[one.machine, one.section], **_row(title, one)} for one in own]
                said["sentences"] += _sentence(title, own)
    return said


def _limits(subject: Subject, places: Mapping[tuple[str, str], str], one: GroupThresholds) -> dict[str, Any]:
    """Return the thresholds of one machine and system as text."""
    numbers = {key: getattr(one, key) for key in ("threshold", "estimate", "bound")}
    return {
        "place": places[one.machine, one.section],
        "system": subject.title(one.system),
        "normals": one.normals,
        "groups": one.groups,
        "smallest": _percent(one.smallest),
        **{key: None if value is None else f"{value:.4g}" for key, value in numbers.items()},
    }


def _row(title: str, one: Rates) -> dict[str, Any]:
    shares = {key: _percent(_known(one, key)) for key in SHARES}
    return {"system": title, "domain": one.domain, "normals": one.normals, "groups": one.groups, **shares}


def _known(one: Rates, key: str) -> float | None:
    """Return a share; None where there are no labels, or too few groups to tell."""
    share: float | None = getattr(one, key) if one.enough or key != "new" else None
    return share


def _mean(own: Sequence[Rates]) -> dict[str, Any]:
    found = {}
    for key in SHARES:
        known = [value for one in own if (value := _known(one, key)) is not None]
        found[key] = _percent(float(np.mean(known))) if known else None
    return found | {"normals": sum(one.normals for one in own), "groups": sum(one.groups for one in own)}


def _sentence(title: str, own: Sequence[Rates]) -> list[str]:
    """Say where neighbours make leave-one-out promise too much: over the machines of one system and domain."""
    wrong = [one for one in own if one.disagree]
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
