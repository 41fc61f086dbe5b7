"""Evaluates a run as if nobody knew which machine a test clip is of.

Several machines may share one microphone. Then a clip comes without a name, and must be held against the normal sound
of every machine. Each test clip is scored by the detectors of all machines and sections (their scorers, calibration,
fusion and guards, fitted on their own train normals). The scale that detectors share is how rare a score is among a
detector's own out-of-fold train normals: p, the smooth survival function there. The rule is *nearest*: the clip is
taken to be of the machine under which it is least rare, and its anomaly score is -log p there.

References: arXiv 2602.16253 (the protocol: machine identity unknown at test). The scale and the rule are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.paths import given_path
from asdcore.contract.plugins import installed
from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import Evaluation, evaluate_table
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.scores_with_truth import join_systems
from asdcore.evidence.labels.truth import rules_for, truth_of
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import look_at
from asdcore.evidence.scored_again import calibrated_again
from asdcore.fusion.smooth_ecdf import SmoothEcdf
from asdcore.portfolio import System, parse_portfolio
from asdcore.runs.folder import Run, load_run
from asdcore.stages import fuse
from asdcore.store.cache import Store
from asdcore.store.tables import CELL

RULE = "nearest"
UNKNOWN = "{}, machine unknown"
"""What a system is called that does not know the machine."""


@dataclass(frozen=True)
class UnknownMachine:
    """What a run is worth if the machine of a test clip is unknown.

    Attributes
    ----------
    evaluation : Evaluation
        Official results of every system, and of the same system without knowing the machine ("NAME, machine unknown").
    confusion : list of dict
        A row for each system, machine and label of test clips: how many there are, ``taken_for`` which machines, and
        the share that is ``recognized``.
    rule : str
        "nearest".
    """

    evaluation: Evaluation
    confusion: list[dict[str, Any]]
    rule: str = RULE

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore evaluate --unknown-machine --json`` prints."""
        return {**self.evaluation.as_json(), "rule": self.rule, "confusion": self.confusion}


def evaluate_unknown_machine(
    finished: Run | str | Path,
    *,
    truth: str | Path | None = None,
    year: int | None = None,
    replicates: int = 2000,
    hypothesis: str | None = None,
) -> UnknownMachine:
    """Evaluate a run as if the machine of a test clip were unknown: every clip is scored by every machine's detector.

    Nothing is fitted to test clips, and the score of a clip does not depend on other test clips. What the run's store
    lacks is computed and kept there: test clips times machines. The ledger records the look.

    Parameters
    ----------
    finished : Run, str or Path
        A run of at least two machines, with its recordings and store at hand.
    truth, year, replicates, hypothesis : optional
        As of :func:`asdcore.evaluate`.

    Returns
    -------
    UnknownMachine
        The official results with and without knowing the machine, and which machines are taken for which.

    Raises
    ------
    EvaluationError
        If the run has a single machine, or no system of its own.

    References
    ----------
    arXiv 2602.16253 (the protocol). The scale and the rule are ours:
    :mod:`asdcore.evidence.evaluations.unknown_machine`.

    Examples
    --------
    >>> result = asdcore.evaluate_unknown_machine("runs/first", replicates=0)
    >>> list(result.evaluation.systems)
    ['knn', 'knn, machine unknown']
    >>> row = result.confusion[0]
    >>> row["system"], row["machine"], sum(row["taken_for"].values()) == row["clips"]
    ('knn', 'SynBearing', True)
    """
    run = finished if isinstance(finished, Run) else load_run(given_path(finished, "the run folder"))
    systems = _systems(run)
    labels = truth_of(run, None if truth is None else given_path(truth, "truth"))
    rules, without = rules_for(run, labels, year), held_back(run)
    detected = pl.concat(list(_by_every_detector(run, systems)))
    nearest = detected.sort("p", "machine", "section", descending=[True, False, False]).unique(
        ["clip", "system"], keep="first", maintain_order=True
    )
    unknown = nearest.select("clip", system=pl.format(UNKNOWN, "system"), role=pl.lit("test"), score=-pl.col("p").log())
    by_own_detector = run.systems.filter(pl.col("role") == "test", pl.col("system").is_in(list(systems)))
    both = pl.concat([by_own_detector.select("clip", "system", "role", "score"), unknown])
    table = join_systems(both, None, run.clips, labels, without)
    evaluation = evaluate_table(table, rules, replicates)
    look = look_at(run, labels, "machine unknown, run of", year=rules)
    record_look(
        Store(Path(run.about["store"])).looks, replace(look, results=evaluation.summary(), hypothesis=hypothesis)
    )
    return UnknownMachine(evaluation, list(_confusion(nearest, table)))


def _systems(run: Run) -> dict[str, System]:
    machines = run.clips.filter(pl.col("split") == "test")["machine"].n_unique()
    if machines < 2:
        raise EvaluationError(
            f"{run.folder} has test clips of a single machine, so it is never unknown. Give a run of several machines."
        )
    plan = parse_portfolio(run.about["portfolio"])
    systems = {name: made for name, made in plan.systems.items() if made.out_of_fold_mirror_of is None}
    if not systems:
        raise EvaluationError(f"{run.folder} has out-of-fold mirrors alone, which cannot be asked of another machine.")
    return systems


def _by_every_detector(run: Run, systems: dict[str, System]) -> Iterator[pl.DataFrame]:
    """Yield for each machine and section: clip, system, machine, section and p of every test clip, as if of it."""
    test = run.clips.filter(pl.col("split") == "test")
    for (machine, section), of_cell in run.clips.filter(pl.col("split") == "train").group_by(CELL, maintain_order=True):
        heard = test.with_columns(machine=pl.lit(machine), section=pl.lit(section))
        clips = pl.concat([of_cell, heard])
        names = sorted(set().union(*(system.branches for system in systems.values())))
        z = calibrated_again(run, names, clips)
        fused = fuse.fuse(z, clips, systems, installed(), rehearsed=True)
        for name in systems:
            normals, tested = (fused.filter(system=name, role=role) for role in ("oof", "test"))
            rarity = _survival(normals["score"].to_numpy(), tested["score"].to_numpy())
            yield tested.select("clip", "system", machine=pl.lit(machine), section=pl.lit(section), p=pl.Series(rarity))


def _survival(normals: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(SmoothEcdf(normals).survival(scores), np.finfo(np.float64).tiny)


def _confusion(nearest: pl.DataFrame, table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield which machines the clips of each machine and label are taken for, by each system."""
    labelled = table.unique("clip").select("clip", "label", own="machine")
    joined = nearest.join(labelled, on="clip").sort("system", "own", "label", "machine")
    for (system, own, label), rows in joined.group_by("system", "own", "label", maintain_order=True):
        taken = rows["machine"].value_counts().sort("machine")
        counts = dict(taken.rows())
        yield {
            "system": system,
            "machine": own,
            "label": "anomaly" if label else "normal",
            "clips": len(rows),
            "recognized": counts.get(own, 0) / len(rows),
            "taken_for": counts,
        }
