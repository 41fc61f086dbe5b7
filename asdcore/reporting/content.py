"""Everything a page says, gathered from the parts: rows for its charts, and texts for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asdcore.basics.digits import rounded
from asdcore.errors import AsdcoreError
from asdcore.reporting.branches import contributions, rank_correlations, trade_off
from asdcore.reporting.cost import costs
from asdcore.reporting.machines import Cell, machine_parts
from asdcore.reporting.maps import clip_parts, feature_recipes, map_parts
from asdcore.reporting.origin import origin
from asdcore.reporting.pictures import tail_pictures
from asdcore.reporting.point_labels import named
from asdcore.reporting.reported_runs import Subject, called, official_cells
from asdcore.reporting.statistics import Worth, ledger_excerpt
from asdcore.reporting.summary import headline, matrix
from asdcore.reporting.thresholds import promises
from asdcore.version import __version__

Places = Mapping[Cell, str]


@dataclass(frozen=True)
class Content:
    """What a page shows.

    data : what its charts are drawn from, plain JSON. words : what its template says. cells : the official cells, by
    the names they have in print. labelled : whether any run has labels. logarithmic : costs above 0 throughout.
    """

    data: dict[str, Any]
    words: dict[str, Any]
    cells: list[str]
    labelled: bool
    logarithmic: set[str]


def gather(subjects: Sequence[Subject], worth: Worth, places: Places, *, audio: bool, umap: bool) -> Content:
    """Compute everything; what cannot be is named among the notes of its part."""
    notes: dict[str, list[str]] = {"parts": [], "maps": [], "cost": [], "sound": []}
    cells = list(dict.fromkeys(called(cell) for one in subjects for cell in official_cells(one)))
    machines = _machines(subjects, places)
    data: dict[str, Any] = {
        "places": list(places.values()),
        "systems": [one.title(system) for one in subjects for system in one.systems],
        "runs": [one.name for one in subjects],
        "rows": {
            "official": _official(worth),
            **{f"heat-{i}": _heat(worth, cell, places) for i, cell in enumerate(cells)},
            "trade-off": named([row for one in subjects for row in trade_off(one)], "source", "target"),
        },
        "machines": machines,
        "run_of": {one.title(system): one.name for one in subjects for system in one.systems},
        "clips": {one.name: {places[cell]: part for cell, part in clip_parts(one)} for one in subjects},
        "pictures": _pictures(subjects, machines, places, audio, notes["sound"]),
        "spearman": {one.name: rank_correlations(one) for one in subjects},
        "contributions": _contributions(subjects, notes["parts"]),
        "maps": _maps(subjects, places, umap, notes["maps"]),
    }
    cost_rows = _costs(subjects, notes["cost"])
    logarithmic = {one for one in ("macs", "seconds") if all(row[one] is None or row[one] > 0 for row in cost_rows)}
    for one in ("macs", "seconds"):
        data["rows"][f"cost-{one}"] = named(cost_rows, one, "official", logarithmic=one in logarithmic)
    words = {
        "version": __version__,
        "headline": headline(worth, subjects, places),
        "promises": promises(subjects, places),
        "matrix": matrix(worth),
        "sentences": [one.sentence for one in worth.differences],
        "gaps": [gap for one in subjects for gap in one.gaps],
        "notes": notes,
        "ledgers": ledger_excerpt(subjects),
        "origins": [origin(one) for one in subjects],
        "costs": cost_rows,
        "title": _title(subjects),
    }
    return Content(data, words, cells, bool(worth.official), logarithmic)


def _title(subjects: Sequence[Subject]) -> str:
    names = dict.fromkeys(one.run.about["portfolio"]["name"] for one in subjects)
    return ", ".join(names)


def _official(worth: Worth) -> list[dict[str, Any]]:
    ends = {"score": "estimate", "low": "low", "high": "high"}
    rows = [
        {"system": name} | {key: rounded(100 * getattr(one, value), 2) for key, value in ends.items()}
        for name, one in worth.official.items()
    ]
    return sorted(rows, key=lambda row: (-float(str(row["score"])), str(row["system"])))


def _heat(worth: Worth, cell: str, places: Places) -> list[dict[str, Any]]:
    return [
        {"place": places[row["machine"], row["section"]]}
        | {key: row[key] for key in ("system", "estimate", "low", "high")}
        for row in worth.cells
        if row["cell"] == cell
    ]


def _machines(subjects: Sequence[Subject], places: Places) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {place: {} for place in places.values()}
    for subject in subjects:
        for cell, title, part in machine_parts(subject):
            found[places[cell]][title] = part
    return found


def _pictures(
    subjects: Sequence[Subject], machines: dict[str, dict[str, Any]], places: Places, audio: bool, notes: list[str]
) -> dict[str, Any]:
    """Picture every clip that is in a tail, machine by machine: those share one scale."""
    found: dict[str, Any] = {}
    wanted = {row["sound"] for parts in machines.values() for part in parts.values() for row in part["tail"]}
    cells: dict[Cell, dict[str, Any]] = {}
    for subject in subjects:
        for clip, machine, section, sha256 in subject.run.clips.select("clip", "machine", "section", "sha256").rows():
            if subject.data is not None and sha256[:16] in wanted:
                cells.setdefault((machine, section), {})[sha256[:16]] = (subject.data / clip, sha256)
    for clips in cells.values():
        found |= tail_pictures(clips, audio)
    if missing := len(wanted) - len(found):
        notes.append(f"{missing} of {len(wanted)} clips shown have no picture: their recordings are gone or changed.")
    return found


def _contributions(subjects: Sequence[Subject], notes: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for subject in subjects:
        try:
            rows, refused = contributions(subject)
        except AsdcoreError as error:
            rows, refused = [], [f"What the parts of {subject.name} bring cannot be told: {error}"]
        notes += refused
        for row in rows:
            found.setdefault(row["system"], []).append(row)
    return found


def _maps(subjects: Sequence[Subject], places: Places, umap: bool, notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for subject in subjects:
        try:
            for name, recipe in feature_recipes(subject).items():
                title = name if len(subjects) == 1 else f"{subject.name}: {name}"
                cells = {places[cell]: part for cell, part in map_parts(subject, recipe, umap)}
                found[title] = {"run": subject.name, "places": cells}
        except AsdcoreError as error:
            notes.append(f"There is no map of features of {subject.name}: {error}")
    return found


def _costs(subjects: Sequence[Subject], notes: list[str]) -> list[dict[str, Any]]:
    rows = []
    for subject in subjects:
        found, said = costs(subject)
        rows += found
        notes += said
    notes[:] = dict.fromkeys(notes)
    return rows
