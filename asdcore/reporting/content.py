"""Gather the content of the page: rows for its charts, and texts for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asdcore.basics.digits import rounded
from asdcore.compute.threads import single_threaded
from asdcore.errors import AsdcoreError
from asdcore.reporting.machines.machines import Cell
from asdcore.reporting.machines.machines_shown import MachinesShown
from asdcore.reporting.machines.pictures import tail_pictures
from asdcore.reporting.machines.shares import shown_in
from asdcore.reporting.reported_runs import Subject, called, official_cells, total_name
from asdcore.reporting.sections.branches import contributions, rank_correlations, trade_off
from asdcore.reporting.sections.cost import costs
from asdcore.reporting.sections.maps import clip_parts, feature_recipes, map_parts
from asdcore.reporting.sections.point_labels import named
from asdcore.reporting.sections.provenance import origin
from asdcore.reporting.sections.summary import headline, matrix
from asdcore.reporting.sections.thresholds import promises
from asdcore.reporting.sections.trials import trials_table
from asdcore.reporting.statistics import Statistics, ledger_excerpt
from asdcore.version import __version__

Places = Mapping[Cell, str]


@dataclass(frozen=True)
class Content:
    """What a page shows.

    data : the charts' data, plain JSON. words : the template's values. cells : the official cells, as they are printed.
    labelled : whether any run has labels. logarithmic : the costs that are above 0 for every system.
    """

    data: dict[str, Any]
    words: dict[str, Any]
    cells: list[str]
    labelled: bool
    logarithmic: set[str]


def gather(
    subjects: Sequence[Subject],
    statistics: Statistics,
    places: Places,
    shown: MachinesShown,
    *,
    audio: bool,
    umap: bool,
) -> Content:
    """Compute everything; a part that fails is named in its notes."""
    notes: dict[str, list[str]] = {"parts": [], "maps": [], "cost": [], "sound": [], "shares": shown.notes}
    cells = list(dict.fromkeys(called(cell) for subject in subjects for cell in official_cells(subject.year)))
    machines = _machines(subjects, places, shown)
    data: dict[str, Any] = {
        "places": list(places.values()),
        "systems": [subject.title(system) for subject in subjects for system in subject.systems],
        "runs": [subject.name for subject in subjects],
        "rows": {
            "official": _official(statistics),
            **{f"heat-{i}": _heat(statistics, cell, places) for i, cell in enumerate(cells)},
            "trade-off": named([row for subject in subjects for row in trade_off(subject)], "source", "target"),
        },
        "machines": machines,
        "run_of": {subject.title(system): subject.name for subject in subjects for system in subject.systems},
        "clips": {subject.name: {places[cell]: part for cell, part in clip_parts(subject)} for subject in subjects},
        "pictures": _pictures(subjects, machines, places, audio, notes["sound"]),
        "spearman": {subject.name: rank_correlations(subject) for subject in subjects},
        "contributions": _contributions(subjects, notes["parts"]),
        "maps": _maps(subjects, places, umap, notes["maps"]),
    }
    cost_rows = _costs(subjects, notes["cost"])
    logarithmic = {kind for kind in ("macs", "seconds") if all(row[kind] is None or row[kind] > 0 for row in cost_rows)}
    for kind in ("macs", "seconds"):
        data["rows"][f"cost-{kind}"] = named(cost_rows, kind, "official", logarithmic=kind in logarithmic)
    words = {**_words(subjects, statistics, places), "notes": notes, "costs": cost_rows}
    return Content(data, words, cells, bool(statistics.official), logarithmic)


def _words(subjects: Sequence[Subject], statistics: Statistics, places: Places) -> dict[str, Any]:
    """Return the texts and tables of the template."""
    return {
        "version": __version__,
        "total": total_name(subjects),
        "headline": headline(statistics, subjects, places),
        "promises": promises(subjects, places),
        "matrix": matrix(statistics),
        "trials": trials_table(subjects),
        "sentences": [difference.sentence for difference in statistics.differences],
        "gaps": [gap for subject in subjects for gap in subject.gaps],
        "ledgers": ledger_excerpt(subjects),
        "origins": [origin(subject) for subject in subjects],
        "title": _title(subjects),
    }


def _title(subjects: Sequence[Subject]) -> str:
    names = dict.fromkeys(subject.run.about["portfolio"]["name"] for subject in subjects)
    return ", ".join(names)


def _official(statistics: Statistics) -> list[dict[str, Any]]:
    ends = {"score": "estimate", "low": "low", "high": "high"}
    rows = [
        {"system": name} | {key: rounded(100 * getattr(interval, value), 4) for key, value in ends.items()}
        for name, interval in statistics.official.items()
    ]
    return sorted(rows, key=lambda row: (-float(str(row["score"])), str(row["system"])))


def _heat(statistics: Statistics, cell: str, places: Places) -> list[dict[str, Any]]:
    return [
        {"place": places[row["machine"], row["section"]]}
        | {key: row[key] for key in ("system", "estimate", "low", "high")}
        for row in statistics.cells
        if row["cell"] == cell
    ]


def _machines(subjects: Sequence[Subject], places: Places, shown: MachinesShown) -> dict[str, dict[str, Any]]:
    by_place: dict[str, dict[str, Any]] = {place: {} for place in places.values()}
    for subject, parts in zip(subjects, shown.parts, strict=True):
        for cell, system, part in parts:
            by_place[places[cell]][subject.title(system)] = part
    return by_place


def _pictures(
    subjects: Sequence[Subject], machines: dict[str, dict[str, Any]], places: Places, audio: bool, notes: list[str]
) -> dict[str, Any]:
    """Picture every clip that is in a tail, machine by machine: those share one scale."""
    pictures: dict[str, Any] = {}
    wanted = {row["sound"] for parts in machines.values() for part in parts.values() for row in shown_in(part)}
    cells: dict[Cell, dict[str, Any]] = {}
    for subject in subjects:
        for clip, machine, section, sha256 in subject.run.clips.select("clip", "machine", "section", "sha256").rows():
            if sha256[:16] in wanted and subject.data is not None:
                cells.setdefault((machine, section), {})[sha256[:16]] = (subject.data / clip, sha256)
    for clips in cells.values():
        pictures |= tail_pictures(clips, audio)
    if missing := len(wanted) - len(pictures):
        notes.append(
            f"{missing} of {len(wanted)} clips shown have no picture: their recordings are missing or changed."
        )
    return pictures


def _contributions(subjects: Sequence[Subject], notes: list[str]) -> dict[str, list[dict[str, Any]]]:
    by_system: dict[str, list[dict[str, Any]]] = {}
    for subject in subjects:
        try:
            rows, refused = contributions(subject)
        except AsdcoreError as error:
            rows, refused = [], [f"The contributions of the parts of {subject.name} are unknown: {error}"]
        notes += refused
        for row in rows:
            by_system.setdefault(row["system"], []).append(row)
    return by_system


def _maps(subjects: Sequence[Subject], places: Places, umap: bool, notes: list[str]) -> dict[str, Any]:
    maps: dict[str, Any] = {}
    for subject in subjects:
        try:
            for name, recipe in feature_recipes(subject).items():
                title = name if len(subjects) == 1 else f"{subject.name}: {name}"
                with single_threaded():
                    cells = {places[cell]: part for cell, part in map_parts(subject, recipe, umap)}
                maps[title] = {"run": subject.name, "places": cells}
        except AsdcoreError as error:
            notes.append(f"There is no map of features of {subject.name}: {error}")
    return maps


def _costs(subjects: Sequence[Subject], notes: list[str]) -> list[dict[str, Any]]:
    rows = []
    for subject in subjects:
        systems, remarks = costs(subject)
        rows += systems
        notes += remarks
    notes[:] = dict.fromkeys(notes)
    return rows
