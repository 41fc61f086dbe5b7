"""Commands about the challenge's submission: package, check-submission."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdcore.cli.shared import FAILED, Json, Task, print_json

if TYPE_CHECKING:
    from asdcore.evidence.labels.score_lines import Problem

SHOWN = 20  # lines of one file that are printed; --json has all


def package(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, of the evaluation data.")],
    label: Annotated[str, typer.Option(help="<Name>_<Institute>, or full labels with commas between them.")],
    systems: Annotated[
        str | None, typer.Option(help="Up to four, with commas between them; they are numbered in this order.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New folder. Default: submission in the first run.")] = None,
    development: Annotated[
        Path | None, typer.Option(help="Run whose evaluation.json has the development results.")
    ] = None,
    complexity: Annotated[bool, typer.Option(help="Count parameters and MACs: builds and runs every encoder.")] = True,
) -> None:
    """Write the challenge's folder and zip.

    Reads run folders of the evaluation data. Writes a folder and a zip with the score files, decisions and meta.yaml of
    up to four systems. Given again, the command keeps what a person has filled in and makes the zip anew.

    Example: asdcore package runs/final --label Doe_University
    """
    from asdcore.submission.package import package as make

    asked = None if systems is None else [name.strip() for name in systems.split(",")]
    made = make(runs, label, systems=asked, out=out, development=development, complexity=complexity)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    for name, system in made.systems.items():
        typer.echo(f"{name}: {system}")
    typer.echo(f"{'The zip was made anew' if made.kept else 'Written'}: {made.archive}")
    typer.echo(f"Next: asdcore check-submission {made.folder} --data {made.data} --task {made.task}")


def check_submission(
    submission: Annotated[Path, typer.Argument(help="A package's folder, one system's folder, or a zip.")],
    data: Annotated[Path, typer.Option(help="The evaluation data: <machine>/test/.")],
    task: Task = None,
    year: Annotated[int | None, typer.Option(help="Challenge year whose files are asked for, 2020 to 2026.")] = None,
    as_json: Json = False,
) -> None:
    """Check a submission before it is sent.

    Reads a submission and the evaluation data. Prints every problem and warning. Exits with 1 if the official evaluator
    would not score it as intended.

    Example: asdcore check-submission runs/final/submission --data evaluation
    """
    from asdcore.submission.check import check_submission as check

    verdict = check(submission, data, task=task, year=year)
    if as_json:
        print_json(verdict.as_json())
    else:
        _show("problem", verdict.problems)
        _show("warning", verdict.warnings)
        outcome = "Accepted" if verdict.accepted else "Not accepted"
        counted = f"{len(verdict.problems)} problems, {len(verdict.warnings)} warnings"
        typer.echo(
            f"{outcome} by the rules of {verdict.year}: {counted}; systems {', '.join(verdict.systems) or 'none'}."
        )
    if not verdict.accepted:
        raise typer.Exit(FAILED)


def _show(kind: str, listed: list[Problem]) -> None:
    """Print problems or warnings, the first few of each file."""
    counts: Counter[str] = Counter()
    for problem in listed:
        counts[problem.file] += 1
        if counts[problem.file] <= SHOWN:
            typer.echo(f"{kind}: {problem}")
    for file, count in counts.items():
        if count > SHOWN:
            typer.echo(f"{kind}: {file}: {count - SHOWN} more, --json lists all")
