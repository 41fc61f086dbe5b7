"""Evaluates trials: the mean of every result over the seeds, and two measures of how sure it is, which are kept apart.

The interval of a mean says what other test clips of the same machines would give, with these seeds: clips are drawn
again, the same for every trial. The standard deviation over trials says what other seeds would give, on these clips.
Neither contains the other.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from asdcore.evidence.evaluations.evaluate import Evaluation, SystemResult, evaluate_table
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.look import Look
from asdcore.evidence.uncertainty.bootstrap import Resampled, Uncertainty
from asdcore.runs.trials import Trials
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import GROUND_TRUTH


@dataclass(frozen=True)
class TrialsEvaluation(Evaluation):
    """The results of trials: ``systems`` holds means over the seeds, ``uncertainty`` intervals of these over clips.

    Attributes
    ----------
    trials : dict of int to Evaluation
        The results of every seed by itself.
    """

    trials: Mapping[int, Evaluation] = field(default_factory=dict)

    def scores(self, system: str) -> dict[int, float]:
        """Return the official score of a system in every trial, by seed."""
        return {seed: trial.systems[system].official_score for seed, trial in self.trials.items()}

    def sd(self, system: str) -> float | None:
        """Return the standard deviation of a system's official score over the trials; None for a single trial."""
        return _sd(list(self.scores(system).values()))

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore evaluate --json`` prints.

        As of a single run, with means over trials; ``sd`` and, for each official cell, ``<cell>_sd`` are standard
        deviations over trials, and ``trials`` holds the official score of every seed.
        """
        written = super().as_json()
        alone = {seed: trial.as_json()["systems"] for seed, trial in self.trials.items()}
        for name, result in written["systems"].items():
            of_seeds = [
                {"seed": seed, **{key: results[name][key] for key in (self.total, "ci95")}}
                for seed, results in alone.items()
            ]
            result |= {"sd": self.sd(name), "trials": of_seeds}
            for place, cell in enumerate(result["cells"]):
                rows = [results[name]["cells"][place] for results in alone.values()]
                cells = [key.removesuffix("_ci95") for key in cell if key.endswith("_ci95")]
                cell |= {f"{key}_sd": _sd([row[key] for row in rows]) for key in cells}
        return {"seeds": list(self.trials), **written}

    def rows_of_values(self) -> list[dict[str, Any]]:
        """Return a row for each system, machine and section, of the means, then of every trial."""
        rows = [{"trial": "mean", **row} for row in super().rows_of_values()]
        for name, result in self.as_json()["systems"].items():
            for row in rows:
                if row["system"] == name:
                    row[f"{self.total}_sd"] = result["sd"]
        return rows + [
            {"trial": f"seed {seed}", **row} for seed, trial in self.trials.items() for row in trial.rows_of_values()
        ]

    def summary(self) -> dict[str, Any]:
        """Return what the ledger keeps: means, and the official score of every trial."""
        kept = super().summary()
        for name, figures in kept.items():
            figures |= {"sd": self.sd(name), "trials": {str(seed): score for seed, score in self.scores(name).items()}}
        return kept


def evaluate_trials(trials: Trials, truth: pl.DataFrame, year: int, replicates: int = 0) -> TrialsEvaluation:
    """Evaluate the test rows of every trial, and their means.

    Parameters
    ----------
    trials : Trials
        Finished trials.
    truth : polars.DataFrame
        clip, label and domain of exactly the test clips.
    year : int
        The year whose rules apply.
    replicates : int, default 0
        Of the bootstrap behind the intervals; 0 leaves them out.

    Returns
    -------
    TrialsEvaluation
        Means over the seeds, and the results of each.

    Raises
    ------
    EvaluationError
        If truth and test clips do not fit, or a cell of the year has no clips.
    """
    tables = joined_trials(trials, truth)
    drawn = Resampled.of(at_seeds(tables), year, replicates, seed=0) if replicates else None
    return evaluate_joined(tables, year, drawn)


def evaluate_joined(tables: Mapping[int, pl.DataFrame], year: int, drawn: Resampled | None) -> TrialsEvaluation:
    """Evaluate the joined table of every seed, with intervals if their clips were resampled together."""
    alone = {seed: evaluate_table(table, year) for seed, table in tables.items()}
    systems = list(next(iter(alone.values())).systems)
    means = {name: _mean_result([each.systems[name] for each in alone.values()]) for name in systems}
    if drawn is None:
        return TrialsEvaluation(year, means, None, trials=alone)
    members = members_of(drawn.systems)
    together, apart = drawn.averaged(members).uncertainty(), drawn.uncertainty()
    for k, seed in enumerate(tables):
        uncertainty = _renamed(apart, {drawn.systems[members[name][k]]: name for name in systems})
        alone[seed] = Evaluation(year, alone[seed].systems, uncertainty)
    return TrialsEvaluation(year, means, together, trials=alone)


def joined_trials(trials: Trials, truth: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Return the joined table (:mod:`asdcore.evidence.labels.scores_with_truth`) of every trial, by seed."""
    return {
        seed: join_systems(run.systems, run.decisions, run.clips, truth, held_back(run))
        for seed, run in sorted(trials.runs.items())
    }


def at_seeds(tables: Mapping[int, pl.DataFrame]) -> pl.DataFrame:
    """Return one joined table of all trials, in which every seed of a system is a system: "forest 3"."""
    named = (table.with_columns(system=pl.format("{} {}", "system", pl.lit(seed))) for seed, table in tables.items())
    return pl.concat(list(named))


def members_of(names: Sequence[str]) -> dict[str, list[int]]:
    """Return {system: the places of its seeds, in their order} of the names that :func:`at_seeds` gave."""
    members: dict[str, list[tuple[int, int]]] = {}
    for place, name in enumerate(names):
        system, _, seed = name.rpartition(" ")
        members.setdefault(system, []).append((int(seed), place))
    return {system: [place for _, place in sorted(seeds)] for system, seeds in members.items()}


def look_at_trials(trials: Trials, truth: pl.DataFrame, what: str, evaluation: Evaluation, **more: Any) -> Look:
    """Return one look for all trials; ``what``, such as "trials of", is preceded by their number."""
    about = trials.first.about
    digests = {f"seed-{seed}": str(run.about["tables"]["systems"]) for seed, run in trials.runs.items()}
    return Look(
        f"{len(trials.runs)} {what} {about['portfolio']['name']}",
        table_digest(truth, GROUND_TRUTH.key),
        trials.digest,
        evaluation.year,
        digests=digests,
        **more,
    )


def _mean_result(results: Sequence[SystemResult]) -> SystemResult:
    """Return the means over trials of all figures of one system."""
    score = statistics.fmean(result.official_score for result in results)
    cells = [_mean_row(rows) for rows in zip(*(result.cells for result in results), strict=True)]
    means = [_mean_row(rows) for rows in zip(*(result.means for result in results), strict=True)]
    return SystemResult(score, cells, means)


def _mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the means of the numbers in rows of the same place; a number that a row lacks has no mean."""
    mean = dict(rows[0])
    for key, value in rows[0].items():
        values = [row.get(key) for row in rows]
        if not isinstance(value, str):
            mean[key] = None if None in values else statistics.fmean(map(float, values))  # type: ignore[arg-type]
    return mean


def _renamed(uncertainty: Uncertainty, names: Mapping[str, str]) -> Uncertainty:
    """Return the intervals of some systems, under other names."""
    return replace(
        uncertainty,
        official={new: uncertainty.official[old] for old, new in names.items()},
        cells={new: uncertainty.cells[old] for old, new in names.items()},
        machines={new: uncertainty.machines[old] for old, new in names.items() if old in uncertainty.machines},
    )


def _sd(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
