"""Open the runs of a report, with their labels if there are any, and note what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from asdcore.errors import AsdcoreError, EvaluationError
from asdcore.evidence.comparisons.trial_comparison import all_trials
from asdcore.evidence.evaluations.evaluate import Evaluation
from asdcore.evidence.metrics import rule
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.reporting.labels import labels_of
from asdcore.runs.folder import Run
from asdcore.runs.several import each_run_once
from asdcore.runs.trials import Trials

TOLD = ("domain", "recording")
"""What the clip index says of train clips, and the ground truth of test clips."""


@dataclass(frozen=True)
class Subject:
    """One run as a report sees it.

    name : its folder's name, unique in the report. alone : whether the report is about this run only. labels : clip,
    label and domain of its test clips, or None. gaps : what is missing, a sentence each. trials : the trials whose
    first run this is, if there are several: the evaluation is of all of them.
    """

    name: str
    run: Run
    alone: bool
    year: int
    evaluation: Evaluation | None
    labels: pl.DataFrame | None
    looks: int | None
    gaps: tuple[str, ...]
    trials: Trials | None = None

    def title(self, system: str) -> str:
        """Return how a system is called in the report."""
        return system if self.alone else f"{self.name}: {system}"

    @property
    def systems(self) -> list[str]:
        """The run's systems, sorted."""
        return sorted(self.run.about["portfolio"]["systems"])

    @property
    def data(self) -> Path | None:
        """The folder of the recordings, None if it no longer exists."""
        root = Path(self.run.about["data"])
        return root if root.is_dir() else None

    @cached_property
    def plan(self) -> Portfolio:
        """The portfolio that ran; raises PortfolioError if this asdcore cannot read it."""
        return parse_portfolio(self.run.about["portfolio"])

    @cached_property
    def clips(self) -> pl.DataFrame:
        """The clip index with ``label``, and ``domain`` and ``recording`` of test clips too, as far as it is known."""
        clips = self.run.clips
        if self.labels is None:
            return clips.with_columns(label=pl.lit(None, dtype=pl.Int8))
        truth = self.labels.rename({name: f"true_{name}" for name in TOLD if name in self.labels.columns})
        joined = clips.join(truth, on="clip", how="left", validate="1:1")
        filled = {name: pl.coalesce(name, f"true_{name}") for name in TOLD if f"true_{name}" in truth.columns}
        return joined.with_columns(**filled).drop(f"true_{name}" for name in filled)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """One row for each clip and system: facts of the clip, base, penalty, score and threshold."""
        cell = ["machine", "section", "system"]
        thresholds = self.run.decisions.join(self.clips.select("clip", "machine", "section"), on="clip")
        thresholds = thresholds.group_by(cell).agg(pl.col("threshold").first())
        clips = self.clips.select("clip", "machine", "section", *TOLD, "label", "attributes", "sha256")
        rows = self.run.systems.join(clips, on="clip", validate="m:1")
        return rows.join(thresholds, on=cell, how="left", validate="m:1")

    @cached_property
    def judged(self) -> pl.DataFrame | None:
        """The test rows with labels, systems by their titles: the input of the intervals."""
        if self.labels is None:
            return None
        rows = self.rows.filter(pl.col("role") == "test", pl.col("label").is_not_null())
        titles = {system: self.title(system) for system in self.systems}
        columns = ["machine", "section", "clip", "system", "score", "label", *TOLD]
        return rows.with_columns(pl.col("system").replace_strict(titles)).select(columns)


def open_subjects(
    runs: Sequence[Run | Trials], truth: Path | None, year: int | None, advance: Callable[[int], None]
) -> list[Subject]:
    """Open every run, evaluate it if it has labels (each look is logged), and note what is missing.

    Of trials the first run is opened; they are evaluated together. Raises an AsdcoreError if a run cannot be read, if
    labels were named and do not fit, or if runs and trials, or trials of other seeds, are mixed.
    """
    if not runs:
        raise AsdcoreError("A report needs at least one run: 'asdcore report RUN'.")
    given: Sequence[Run | Trials] = all_trials(runs) or each_run_once(runs)
    names = unique_names([each.folder.resolve() for each in given])
    subjects = []
    for name, each in zip(names, given, strict=True):
        subjects.append(_subject(name, each, len(given) == 1, truth, year))
        advance(1)
    return subjects


def unique_names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that differ from one another, such as ``first/run`` and ``second/run``."""
    depth = 1
    while len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return ["/".join(folder.parts[-depth:]).lstrip("/") for folder in folders]


def places(subjects: Sequence[Subject]) -> dict[tuple[str, str], str]:
    """Return {(machine, section): how the report calls it}: by the machine alone if it has one section."""
    cells = sorted(
        {cell for subject in subjects for cell in subject.run.clips.select("machine", "section").unique().rows()}
    )
    sections = Counter(machine for machine, _ in cells)
    return {cell: cell[0] if sections[cell[0]] == 1 else f"{cell[0]} {cell[1]}" for cell in cells}


def official_cells(year: int) -> list[str]:
    """Return the names of the cells that enter the official score of a year."""
    return [cell.name for cell in rule(year).cells]


def total_name(subjects: Sequence[Subject]) -> str:
    """Return what the scores of systems are called: official, unless all are of recordings of one's own."""
    totals = {rule(subject.year).total for subject in subjects}
    return ("official_score" if "official_score" in totals else "mean_score").replace("_", " ")


def called(cell: str) -> str:
    """Return how a cell is called in print: ``auc_source`` is "AUC source"."""
    kind, _, domain = cell.partition("_")
    return " ".join(filter(None, ({"auc": "AUC", "pauc": "pAUC"}[kind], domain)))


def of_year(about: Mapping[str, object], year: int | None) -> int:
    """Return the year whose rules apply to a run."""
    return year if year is not None else int(str(about["year"]))


def _subject(name: str, given: Run | Trials, alone: bool, truth: Path | None, year: int | None) -> Subject:
    gaps, trials = [], given if isinstance(given, Trials) else None
    run = given.first if isinstance(given, Trials) else given
    if trials is not None:
        gaps.append(
            f"Results of {name} are means over its trials. Distributions, curves, thresholds and maps show the first "
            f"one, {run.folder.name}; 'asdcore report {run.folder}' shows one by itself."
        )
    if not Path(run.about["data"]).is_dir():
        gaps.append(f"The recordings of {name} are no longer at {run.about['data']}: no spectrograms, no sound.")
    try:
        evaluation, labels, looks = labels_of(given, truth, year)
    except EvaluationError as error:
        if truth is not None:
            raise
        gaps.append(f"{name} has no labels, so nothing here says how good it is. {error}")
        evaluation, labels, looks = None, None, None
    rules = evaluation.year if evaluation else of_year(run.about, year)
    return Subject(name, run, alone, rules, evaluation, labels, looks, tuple(gaps), trials)
