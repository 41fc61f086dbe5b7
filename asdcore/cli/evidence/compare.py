"""The command compare: which systems of finished runs really differ."""

from __future__ import annotations

from typing import Annotated

import typer

from asdcore.cli.evidence.ledger import Hypothesis
from asdcore.cli.evidence.selection import Runs, Systems, Truth, Year
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.output.results import rows_of_differences, show_comparison
from asdcore.cli.shared import Json, print_json, progress


def compare(
    runs: Runs,
    systems: Systems = None,
    truth: Truth = None,
    year: Year = None,
    replicates: Annotated[int, typer.Option(min=100, help="Replicates of the paired bootstrap.")] = 2000,
    permutations: Annotated[
        int | None,
        typer.Option(min=1, help="Permutations of the test. Default: 2000, or more if many pairs need more."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of bootstrap and permutations.")] = 0,
    hypothesis: Hypothesis = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Show which systems of runs really differ.

    Reads run folders on the same recordings. Prints for every two systems their difference with its interval, its p
    value, and the smallest difference that these test clips could have shown. Trials are compared seed by seed. Every
    call is a look at the labels, which the ledger records.

    Example: asdcore compare runs/first runs/second
    """
    from asdcore.evidence.comparisons.comparison import compare as compare_runs

    comparison = compare_runs(
        *runs,
        systems=systems,
        truth=truth,
        year=year,
        replicates=replicates,
        permutations=permutations,
        seed=seed,
        hypothesis=hypothesis,
        progress=progress(),
    )
    is_answered = export(comparison.rows_of_values(), csv, latex, lambda: rows_of_differences(comparison))
    if as_json:
        print_json(comparison.as_json())
    elif not is_answered:
        show_comparison(comparison)
