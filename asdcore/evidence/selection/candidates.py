"""The candidates of a selection: systems of finished runs over the same test clips, with the same ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.evaluations.evaluate import Evaluation, evaluate_table
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.labels.truth import rules_for, truth_of
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import look_at
from asdcore.evidence.metrics import official_score
from asdcore.runs.folder import Run
from asdcore.runs.several import each_run_once
from asdcore.runs.trials import Trials
from asdcore.store.cache import Store

Places = Mapping[str, tuple[Run, str]]
"""{name of a candidate: (its run, its system)}, in the order in which runs were given and systems are sorted."""

Cells = dict[tuple[str, str], Mapping[str, Any]]
"""{(machine, section): the cells of one candidate}."""


@dataclass(frozen=True)
class Candidates:
    """The systems to choose among, with their official results.

    table : the table of :mod:`asdcore.evidence.labels.scores_with_truth`, with the candidate's name for the system.
    truth : clip, label, domain. evaluation : the official results of every candidate.
    """

    places: Places
    truth: pl.DataFrame = field(repr=False)
    table: pl.DataFrame = field(repr=False)
    evaluation: Evaluation = field(repr=False)

    @property
    def year(self) -> int:
        """The year whose rules apply."""
        return self.evaluation.year

    @property
    def names(self) -> list[str]:
        """The candidates, in the order given. Of two equally good ones the first is chosen."""
        return list(self.places)

    @cached_property
    def machines(self) -> list[str]:
        """The machines that all candidates were evaluated on, sorted."""
        return sorted(self.table["machine"].unique().to_list())

    def cells(self, name: str, machines: Iterable[str] | None = None) -> Cells:
        """Return the cells of one candidate, of some machines or all."""
        wanted = set(self.machines if machines is None else machines)
        rows = self.evaluation.systems[name].cells
        return {(row["machine"], row["section"]): row for row in rows if row["machine"] in wanted}

    def score(self, name: str, machines: Iterable[str] | None = None) -> float:
        """Return the official score of one candidate, of some machines or all."""
        return official_score(self.cells(name, machines), self.year)

    def best(self, value: Callable[[str], float]) -> str:
        """Return the candidate with the largest value, the first of equals."""
        return max(self.names, key=value)

    def checked(self, name: str | None) -> str:
        """Return the name if it is a candidate's, or the first candidate's name for None."""
        if name is not None and name not in self.places:
            raise EvaluationError(f"There is no candidate {name!r}. {did_you_mean(name, self.places)}")
        return self.names[0] if name is None else name

    def record(self, what: str, hypothesis: str | None = None) -> int:
        """Append to the ledger of every run's store that its systems were looked at; returns the most looks so far.

        The chosen protocol is ``what``, such as "lomo over".
        """
        results, most = self.evaluation.summary(), 0
        for run in {run.folder: run for run, _ in self.places.values()}.values():
            own = {system: results[name] for name, (owner, system) in self.places.items() if owner is run}
            look = replace(look_at(run, self.truth, what), year=self.year, results=own, hypothesis=hypothesis)
            most = max(most, record_look(Store(Path(run.about["store"])).looks, look))
        return most


Runs = Run | Trials | str | Path | Sequence[Run | Trials | str | Path]
"""A finished run or trials, their folder, or several of them in a list."""


def places_of(runs: Runs | Sequence[Runs], only: Sequence[str] | None = None) -> Places:
    """Name the systems of finished runs: "system" for a single run, "run folder/system" for several.

    runs : runs or folders, by themselves or in lists. only : the names to keep, in this order. No label is looked at.
    """
    given = list(flattened(runs))
    if not given:
        raise EvaluationError("There is nothing to choose among: give one or more finished run folders.")
    loaded, places = each_run_once(given), {}
    for run, label in zip(loaded, labels_of_folders([run.folder.resolve() for run in loaded]), strict=True):
        for system in sorted(run.about["portfolio"]["systems"]):
            places[system if len(loaded) == 1 else f"{label}/{system}"] = (run, system)
    for name in only or ():
        if name not in places:
            raise EvaluationError(f"No system of these runs is named {name!r}. {did_you_mean(name, places)}")
    return {name: places[name] for name in only} if only else places


def flattened(runs: Any) -> Iterator[Run | Trials | str | Path]:
    """Yield every run of a run, a folder, or lists of them."""
    if isinstance(runs, Run | Trials | str | Path):
        yield runs
    else:
        for nested in runs:
            yield from flattened(nested)


def labels_of_folders(folders: Sequence[Path]) -> list[str]:
    """Name each folder by as many of its last parts as tell it from the others."""
    labels = [folder.name for folder in folders]
    for length in range(2, max((len(folder.parts) for folder in folders), default=0) + 1):
        counts = Counter(labels)
        longer = ["/".join(folder.parts[-length:]) for folder in folders]
        labels = [new if counts[label] > 1 else label for label, new in zip(labels, longer, strict=True)]
    return labels


def open_candidates(places: Places, truth: str | Path | None = None, year: int | None = None) -> Candidates:
    """Evaluate candidates against the ground truth; see :func:`asdcore.evaluate` for ``truth`` and ``year``.

    Raises EvaluationError if their runs differ in test clips, or in the year whose rules apply.
    """
    first = next(iter(places.values()))[0]
    runs = {run.folder: run for run, _ in places.values()}
    for run in runs.values():
        check_same_clips(first, run, "test")
    years = {run.about["year"] for run in runs.values()}
    if year is None and len(years) > 1:
        raise EvaluationError(
            f"These runs follow the rules of {', '.join(map(str, sorted(years)))}. Choose one with --year."
        )
    labels, without = truth_of(first, truth), held_back(*runs.values())
    parts = []
    for name, (run, system) in places.items():
        systems, decisions = (table.filter(pl.col("system") == system) for table in (run.systems, run.decisions))
        joined = join_systems(systems, decisions, run.clips, labels, without)
        parts.append(joined.with_columns(system=pl.lit(name)))
    table = pl.concat(parts)
    return Candidates(places, labels, table, evaluate_table(table, rules_for(first, labels, year)))


def check_same_clips(first: Run, other: Run, split: str) -> None:
    """Raise EvaluationError if two runs have other clips of a split ("train" or "test")."""
    ours, theirs = (
        set(run.clips.filter(pl.col("split") == split).select("clip", "sha256").iter_rows()) for run in (first, other)
    )
    if differing := sorted(ours ^ theirs):
        raise EvaluationError(
            f"The runs {first.folder} and {other.folder} have different {split} clips: {len(differing)} are not in "
            f"both, such as {differing[0][0]}. Choose among runs of the same recordings: run both on one --data."
        )
