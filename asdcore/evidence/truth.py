"""Reads the ground truth of a run's test clips: from given files, or from the names of the recordings."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.contract.plugins import installed
from asdcore.errors import AsdcoreError, EvaluationError
from asdcore.evidence.files import read_truth
from asdcore.evidence.matching import match_truth
from asdcore.runs.folder import Run
from asdcore.store.tables import GROUND_TRUTH


def tells_labels(done: Run) -> bool:
    """Whether the recordings of a run come with labels, so that it can be evaluated as it is. No label is looked at."""
    try:
        return truth_of(done).height > 0
    except AsdcoreError:
        return False


def truth_of(done: Run, truth: str | Path | None = None) -> pl.DataFrame:
    """Return the ground truth table (clip, label, domain) of a run.

    truth : evaluator-style ground truth folders or an ``eval_data_list`` file; without it the dataset reader gets the
    labels from the names of development test files. Raises EvaluationError if there are none, or they do not fit.
    """
    if truth is not None:
        return match_truth(read_truth(given_path(truth, "truth")), done.clips)
    root = Path(done.about["data"])
    advice = "Give the ground truth with --truth (evaluator-style folders, or an eval_data_list file)."
    if not root.is_dir():
        raise EvaluationError(f"The run's data are no longer at {root}. {advice}")
    if "test" not in set(done.clips["split"]):
        raise EvaluationError("This run has no test clips, so there is nothing to evaluate.")
    labels = installed().build("dataset", done.about["task"], {}).ground_truth(root)
    if labels is None:
        raise EvaluationError(f"The names of the test clips in {root} do not mark anomalies. {advice}")
    return GROUND_TRUTH.check(labels)
