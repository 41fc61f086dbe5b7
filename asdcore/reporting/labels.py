"""Get the labels for a report: only here, and through the official evaluation, which logs the look."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from asdcore.evidence.evaluations import logged_evaluation
from asdcore.evidence.evaluations.evaluate import Evaluation
from asdcore.evidence.labels.truth import truth_of
from asdcore.runs.folder import EVALUATION_FILE, Run
from asdcore.runs.trials import Trials


def labels_of(run: Run | Trials, truth: Path | None, year: int | None) -> tuple[Evaluation, pl.DataFrame, int]:
    """Evaluate a run or trials; return the evaluation, clip, label and domain of test clips, and the count of looks.

    Raises EvaluationError if there are no labels, or they do not fit the run.
    """
    evaluation = logged_evaluation.evaluate(run, truth=truth, year=year)
    looks = json.loads((run.folder / EVALUATION_FILE).read_text(encoding="utf-8"))["looks"]
    return evaluation, truth_of(run.first if isinstance(run, Trials) else run, truth), int(looks)
