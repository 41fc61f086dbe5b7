"""The table of trials: how far they lie apart, beside the interval over clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asdcore.basics.digits import fixed
from asdcore.evidence.evaluations.trials import TrialsEvaluation
from asdcore.reporting.reported_runs import Subject


def trials_table(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return the seeds of the trials of a report, and a row for each system: its mean, interval, SD and every trial.

    Scores are in percent, as text. Empty if the report is not of trials, or they have no labels.
    """
    evaluated = [
        (subject, subject.evaluation) for subject in subjects if isinstance(subject.evaluation, TrialsEvaluation)
    ]
    rows = []
    for subject, evaluation in evaluated:
        written = evaluation.as_json()["systems"]
        for system, result in evaluation.systems.items():
            spread, interval = evaluation.sd(system), written[system]["ci95"]
            rows.append(
                {
                    "system": subject.title(system),
                    "mean": fixed(100 * result.official_score),
                    "interval": f"{fixed(100 * interval[0], 1)} to {fixed(100 * interval[1], 1)}" if interval else "",
                    "sd": "" if spread is None else fixed(100 * spread),
                    "scores": [fixed(100 * score) for score in evaluation.scores(system).values()],
                }
            )
    return {"seeds": list(evaluated[0][1].trials) if evaluated else [], "rows": rows}
