"""Compares every two systems of trials: seed by seed, on the same test clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.comparisons.comparison_results import Comparison
from asdcore.evidence.evaluations.trials import (
    TrialsEvaluation,
    at_seeds,
    evaluate_joined,
    joined_trials,
    look_at_trials,
    members_of,
)
from asdcore.evidence.labels.truth import rules_for, truth_of
from asdcore.evidence.ledger import record_look
from asdcore.evidence.selection.candidates import check_same_clips, labels_of_folders
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.trial_pairs import pairs_of_trials
from asdcore.runs.folder import Run
from asdcore.runs.trials import Trials, opened
from asdcore.store.cache import Store

Places = Mapping[str, tuple[Trials, str]]
"""{name of a candidate: (its trials, its system)}."""


@dataclass(frozen=True)
class TrialsComparison(Comparison):
    """The results of some systems over trials, and the difference of every two of them; see :class:`Comparison`."""

    evaluation: TrialsEvaluation

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore compare --json`` prints; scores and differences are fractions."""
        written, results = super().as_json(), self.evaluation.as_json()
        for name, system in written["systems"].items():
            system |= {key: results["systems"][name][key] for key in ("sd", "trials")}
        return {"seeds": results["seeds"], **written}


def all_trials(runs: Sequence[Run | Trials | str | Path]) -> list[Trials] | None:
    """Open trials; None if all that is given is runs.

    Raises EvaluationError if runs and trials are mixed, trials are given twice, or their seeds differ.
    """
    given = [opened(run) for run in runs]
    trials = [each for each in given if isinstance(each, Trials)]
    if not trials:
        return None
    if alone := next((each for each in given if isinstance(each, Run)), None):
        raise EvaluationError(
            f"{trials[0].folder} holds trials and {alone.folder} is one run. Compare trials with trials of the same "
            f"seeds, or {alone.folder} with one of them, such as {trials[0].first.folder}."
        )
    for i, other in enumerate(trials):
        if any(other.folder.resolve() == earlier.folder.resolve() for earlier in trials[:i]):
            raise EvaluationError(f"The trials {other.folder} are given twice. Name them once.")
        if set(other.seeds) != set(trials[0].seeds):
            raise EvaluationError(
                f"Trials are paired by their seed, but {trials[0].folder} has the seeds {_listed(trials[0])}, and "
                f"{other.folder} {_listed(other)}. Run both with the same: seeds = [...] in the portfolio."
            )
    return trials


def compare_trials(
    trials: Sequence[Trials],
    *,
    systems: Sequence[str] | None,
    truth: str | Path | None,
    year: int | None,
    replicates: int,
    seed: int,
    hypothesis: str | None,
) -> TrialsComparison:
    """Compare every two systems of trials; see :func:`asdcore.compare`."""
    places = _places(trials, systems)
    if len(places) < 2:
        raise EvaluationError(
            f"There is only the system {', '.join(places)}: a comparison needs two. Name other trials."
        )
    first = trials[0].first
    for other in trials[1:]:
        check_same_clips(first, other.first, "test")
    labels = truth_of(first, truth)
    rules = rules_for(first, labels, year)
    years = {each.first.about["year"] for each in trials}
    if year is None and len(years) > 1:
        raise EvaluationError(
            f"These trials follow the rules of {' and '.join(map(str, sorted(years)))}. Choose one with --year."
        )
    compared = compared_trials(places, labels, rules, replicates, seed)
    _record(trials, places, labels, compared.evaluation, hypothesis)
    return compared


def compared_trials(
    places: Places, labels: pl.DataFrame, year: int, replicates: int = 2000, seed: int = 0
) -> TrialsComparison:
    """Compare systems of trials that have the same seeds and test clips; the caller records the look.

    places : {name: (its trials, its system)}. labels : clip, label and domain of the test clips.
    """
    tables = _tables(places, labels)
    drawn = Resampled.of(at_seeds(tables), year, replicates, seed)
    differences = pairs_of_trials(drawn, members_of(drawn.systems), list(tables))
    return TrialsComparison(evaluate_joined(tables, year, drawn), differences, 0)


def _places(trials: Sequence[Trials], only: Sequence[str] | None) -> Places:
    """Name the systems: "system" for single trials, "folder/system" for several."""
    places = {}
    for each, label in zip(trials, labels_of_folders([each.folder.resolve() for each in trials]), strict=True):
        for system in sorted(each.first.about["portfolio"]["systems"]):
            places[system if len(trials) == 1 else f"{label}/{system}"] = (each, system)
    for name in only or ():
        if name not in places:
            raise EvaluationError(f"No system of these trials is named {name!r}. {did_you_mean(name, places)}")
    return {name: places[name] for name in only} if only else places


def _tables(places: Places, labels: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Return one joined table of all candidates for each seed."""
    each_once = {id(trials): trials for trials, _ in places.values()}
    joined = {key: joined_trials(trials, labels) for key, trials in each_once.items()}
    parts: dict[int, list[pl.DataFrame]] = {}
    for name, (trials, system) in places.items():
        for seed, table in joined[id(trials)].items():
            parts.setdefault(seed, []).append(table.filter(system=system).with_columns(system=pl.lit(name)))
    return {seed: pl.concat(tables) for seed, tables in sorted(parts.items())}


def _record(
    trials: Sequence[Trials], places: Places, labels: pl.DataFrame, evaluation: TrialsEvaluation, why: str | None
) -> None:
    """Append to the ledger of every store that these trials were looked at."""
    results = evaluation.summary()
    for each in trials:
        own = {system: results[name] for name, (owner, system) in places.items() if owner is each}
        look = look_at_trials(each, labels, "trials in a comparison, of", evaluation)
        record_look(Store(Path(each.first.about["store"])).looks, replace(look, results=own, hypothesis=why))


def _listed(trials: Trials) -> str:
    return ", ".join(map(str, trials.seeds))
