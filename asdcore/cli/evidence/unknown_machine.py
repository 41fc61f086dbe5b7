"""What 'asdcore evaluate --unknown-machine' prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.output import terminal
from asdcore.cli.output.export import export_evaluation
from asdcore.cli.output.results import show_evaluation
from asdcore.cli.shared import print_json, print_lines

MEANING = (
    "machine unknown: every clip is scored by the detectors of all machines. It is taken to be of the one",
    "under which it is least rare among train normals (rule: nearest); its score is how rare it is there.",
)


def evaluate_unknown(
    run: Path, *, as_json: bool, csv: Path | None, latex: Path | None, all_columns: bool, **more: Any
) -> None:
    """Evaluate a run as if the machine of a clip were unknown, and print the results and who is taken for whom."""
    from asdcore.evidence.evaluations.unknown_machine import evaluate_unknown_machine
    from asdcore.evidence.labels.held_back import held_back_note
    from asdcore.runs.folder import load_run

    finished = load_run(run)
    result = evaluate_unknown_machine(finished, **more)
    is_answered = export_evaluation(result.evaluation, csv, latex, all_columns)
    if as_json:
        print_json(result.as_json())
    elif not is_answered:
        show_evaluation(result.evaluation)
        rows = [
            {
                **{key: row[key] for key in ("system", "machine", "label", "clips")},
                "recognized": f"{fixed(100 * row['recognized'], 0)} %",
                "taken for": ", ".join(f"{name} {count}" for name, count in row["taken_for"].items()),
            }
            for row in result.confusion
        ]
        print_lines([*MEANING, "", *terminal.table(rows, list(rows[0])), *held_back_note(finished)])
        typer.echo()
