"""Matches scores, clips and ground truth by clip name, and refuses unless all of them match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from asdcore.basics.paths import SOUNDS
from asdcore.errors import EvaluationError
from asdcore.evidence.labels.files import Section, Submitted, differences
from asdcore.store.tables import CELL, GROUND_TRUTH


def match_truth(truth: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Return the ground truth table of a run's test clips.

    truth : what :func:`asdcore.evidence.labels.files.read_truth` returns. clips : a clip index. The truth may name a
    clip by its own or by its labelled name, and file formats do not matter. Raises an EvaluationError for all
    machines at once if a test clip has no truth, or the truth of one of its sections names a clip that the run lacks.
    """
    tested = clips.filter(pl.col("split") == "test").select("clip", *CELL, name=_names("clip"))
    if (twice := tested.filter(tested.select(*CELL, "name").is_duplicated())["clip"].sort()).len():
        raise EvaluationError(
            f"{twice[0]} and {twice[1]} have the same file name, and these labels name clips by it. Rename one, "
            "or write the labels into a table clips.csv beside the recordings."
        )
    labels = truth.rename({"clip": "in_truth"})
    columns = [*CELL, "label", "domain", "in_truth"]
    own = labels.select(*columns, name=_names("in_truth"))
    aliases = labels.drop_nulls("alias").select(*columns, name=_names("alias"))
    by_name = pl.concat([own, aliases]).unique([*CELL, "name"], keep="first", maintain_order=True)
    matched = tested.join(by_name, on=[*CELL, "name"], how="left", validate="1:1")
    problems, of_cells = [], truth.partition_by(CELL, as_dict=True)
    for (machine, section), cell in matched.group_by(CELL, maintain_order=True):
        there = of_cells.get((machine, section), truth.clear())
        names = cell["in_truth"].fill_null(cell["name"])
        problems += coverage(f"{machine} section {section}", names, there["clip"], "not in the ground truth")
    raise_all("The test clips of this run do not fit the ground truth.", problems)
    return GROUND_TRUTH.check(matched.select("clip", pl.col("label").cast(pl.Int8), "domain"))


def match_scores(systems: Mapping[str, Mapping[Section, Submitted]], truth: pl.DataFrame) -> pl.DataFrame:
    """Join {system: {(machine, section): Submitted}} with the truth by clip name, or by alias."""
    labels = {
        (str(machine), str(section)): rows
        for (machine, section), rows in truth.group_by("machine", "section", maintain_order=True)
    }
    clip_of = {key: _clip_of(rows) for key, rows in labels.items()}
    problems: list[str] = []
    parts: list[pl.DataFrame] = []
    for system, sections in systems.items():
        for machine, section in [key for key in labels if key not in sections]:
            problems.append(f"{system}: there is no score file for {machine} section {section}")
        for key, submitted in sections.items():
            where = f"{system}: {key[0]} section {key[1]}"
            if key not in labels:
                listed = ", ".join(f"{machine} section {section}" for machine, section in labels)
                problems.append(f"{where} is not in the ground truth, which has {listed}")
                continue
            clips = [clip_of[key].get(name, name) for name in submitted.scores]
            problems += coverage(where, clips, labels[key]["clip"], "not in the ground truth")
            parts.append(_frame(system, clips, submitted).join(labels[key], on="clip"))
    raise_all("The scores do not fit the ground truth.", problems)
    return pl.concat(parts, how="diagonal")


def _clip_of(rows: pl.DataFrame) -> dict[str, str]:
    """Return {alias: clip}, without aliases that are also the name of a clip."""
    own = set(rows["clip"])
    return {alias: clip for alias, clip in rows.select("alias", "clip").rows() if alias not in own}


def _frame(system: str, clips: list[str], submitted: Submitted) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {"clip": clips, "score": list(submitted.scores.values())}
    if submitted.decisions is not None:
        columns["decision"] = [submitted.decisions[name] for name in submitted.scores]
    return pl.DataFrame(columns).with_columns(system=pl.lit(system))


def coverage(what: str, given: Iterable[str], wanted: Iterable[str], unwanted: str) -> list[str]:
    """Describe in one line how the clips of ``what`` differ from the clips wanted; [] if they do not."""
    counts = Counter(given)
    clauses = differences(counts, set(wanted), unwanted)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        clauses.append(f"{len(twice)} more than once: {', '.join(twice[:5])}{', ...' if len(twice) > 5 else ''}")
    return [f"{what}: {'; '.join(clauses)}"] if clauses else []


def raise_all(message: str, problems: Sequence[str]) -> None:
    """Raise one EvaluationError that lists every problem; do nothing without any."""
    if problems:
        raise EvaluationError("\n  - ".join([message, *problems]))


def _names(column: str) -> pl.Expr:
    """Clip names without folder and audio suffix; dots within attributes stay."""
    return pl.col(column).map_elements(_stem, pl.String)


def _stem(name: str) -> str:
    """A clip's name without folder and audio suffix; dots within attributes stay."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in SOUNDS else path.name
