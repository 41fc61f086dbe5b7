"""The commands select, audit and decisions: choosing honestly, and what the decisions promise."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from asdcore import text
from asdcore.cli.export import Csv, Latex, export
from asdcore.cli.ledger import Hypothesis
from asdcore.cli.shared import Json, print_json, print_lines
from asdcore.digits import fixed
from asdcore.errors import EvaluationError

if TYPE_CHECKING:
    from asdcore.evidence.selection.outcome import Outcome

Runs = Annotated[list[Path], typer.Argument(help="Finished run folders, on the same recordings.")]
Systems = Annotated[
    list[str] | None, typer.Option("--systems", help="A candidate: SYSTEM, or RUN/SYSTEM for several runs. Repeatable.")
]
Truth = Annotated[Path | None, typer.Option(help="Evaluator-style truth folders, or an eval_data_list CSV.")]
Year = Annotated[int | None, typer.Option(help="Challenge year whose rules apply, 2020 to 2026.")]
WIDTH = 100
PROTOCOLS = (
    "lomo: choose on all machines but one and score that one, for every machine: does the choice hold elsewhere? "
    "nested: like lomo, with scales and thresholds made without the normals that they judge. "
    "mirror: a system against its out-of-fold mirror: does it rest on normals that it has seen? "
    "tournament: draw the test clips again and again: how much of the winner's lead is luck? "
    "criteria: rank by train normals alone; a diagnostic, not a choice. "
    "All but criteria look at the labels, and the ledger counts it."
)
TESTED = ("system", "machine", "section", "target_fpr_at_threshold", "target_share_of_top_normals")
READINGS = (
    "target_fpr_at_threshold: share of target test normals above the threshold.",
    "target_share_of_top_normals: share of target clips among the tenth of test normals that score highest.",
)


def select(
    runs: Runs,
    protocol: Annotated[
        Literal["lomo", "nested", "mirror", "tournament", "criteria"],
        typer.Option(help=PROTOCOLS),
    ],
    systems: Systems = None,
    baseline: Annotated[str | None, typer.Option(help="The candidate that a choice must beat. Default: first.")] = None,
    by: Annotated[str | None, typer.Option(help="Which criterion ranks (criteria).")] = None,
    truth: Truth = None,
    year: Year = None,
    replicates: Annotated[int, typer.Option(min=1, help="Of the bootstrap (tournament, mirror).")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap (tournament, mirror).")] = 0,
    hypothesis: Hypothesis = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Choose among systems, and say what that is worth.

    Example: asdcore select runs/first --protocol lomo
    """
    from asdcore.evidence.selection.choose import select as choose

    outcome = choose(
        runs,
        protocol,
        systems=systems,
        baseline=baseline,
        by=by,
        truth=truth,
        year=year,
        replicates=replicates,
        seed=seed,
        hypothesis=hypothesis,
    )
    if as_json or not export(outcome.rows_of_values(), csv, latex):
        _show(outcome, as_json)


def audit_plan(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="The plan to write, a sealed JSON file.")],
    systems: Systems = None,
    within: Annotated[float, typer.Option(help="How far below the best official score is near enough.")] = 0.005,
    risk: Annotated[
        Literal["target_share_of_top_normals", "target_fpr_at_threshold"],
        typer.Option(help="Which reading of the target false-positive ratio decides."),
    ] = "target_share_of_top_normals",
    late: Annotated[bool, typer.Option("--late", help="Plan after an evaluation; the plan says so.")] = False,
    as_json: Json = False,
) -> None:
    """Write down candidates and rule, sealed, before any metric."""
    from asdcore.evidence.selection.audit import audit_plan as plan

    made = plan(runs, out, systems=systems, within=within, risk=risk, late=late)
    if as_json:
        print_json(made)
        return
    names = ", ".join(one["name"] for one in made["candidates"])
    print_lines([f"{out}: {len(made['candidates'])} candidates, {names}.", *textwrap.wrap(made["rule"], WIDTH)])
    print_lines(_late(made["late"]))
    typer.echo(f"Next: asdcore audit decide {out}")


def audit_decide(
    plan: Annotated[Path, typer.Argument(help="A plan that 'asdcore audit plan' wrote.")],
    truth: Truth = None,
    year: Year = None,
    as_json: Json = False,
) -> None:
    """Evaluate the candidates of a plan, and choose by its rule."""
    from asdcore.evidence.selection.audit import audit_decide as decide

    _show(decide(plan, truth=truth, year=year), as_json)


def decisions(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    systems: Annotated[list[str] | None, typer.Option("--systems", help="A system of the run. Repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Show what false positives thresholds promise.

    From train normals alone; of test normals too, where the run has been evaluated.
    """
    from asdcore.evidence.decisions import decisions as count

    found = count(run, systems)
    tested = _tested(run, {one.system for one in found})
    if as_json:
        print_json({"train_normals": [one.as_json() for one in found], "test_normals": tested})
        return
    rows = [_as_percent(one.as_json()) for one in found]
    print_lines(["Train normals above the threshold, scored out of fold, in percent:", ""])
    print_lines([*text.table(rows, list(rows[0])), ""])
    print_lines(list(dict.fromkeys(one.warning for one in found if one.warning)))
    if tested:
        print_lines(["", "Test normals:", "", *text.table(tested, TESTED), "", *READINGS])
    else:
        typer.echo(f"Of test normals there is nothing yet: asdcore evaluate {run}")


def _tested(run: Path, systems: set[str]) -> list[dict[str, Any]]:
    """Return both readings of the target false-positive ratio that the run's evaluation wrote down, if it has one.

    A row for each machine and section, and before those of a system their mean, with no machine.
    """
    from asdcore.parse import parse_json
    from asdcore.runs import EVALUATION_FILE

    path = run / EVALUATION_FILE
    if not path.is_file():
        return []
    try:
        told = parse_json(path.read_bytes())["systems"]
        cells = {name: [{key: cell.get(key) for key in TESTED[1:]} for cell in told[name]["cells"]] for name in told}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} is damaged. Evaluate the run again: asdcore evaluate {run}") from error
    means = {name: {key: _mean([row[key] for row in rows]) for key in TESTED[3:]} for name, rows in cells.items()}
    return [
        {"system": name} | row
        for name in sorted(systems & set(cells))
        for row in ({"machine": None, "section": None, **means[name]}, *cells[name])
    ]


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _as_percent(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table of train normals, rates in percent."""
    return {
        **{key: row[key] for key in ("system", "machine", "section", "domain", "normals", "above")},
        "rate": 100 * row["rate"],
        "ci95": "[{}, {}]".format(*(fixed(100 * one) for one in row["ci95"])),
        "aimed at": 100 * row["nominal"],
        "smallest": 100 * row["smallest_attainable"],
    }


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_json())
        return
    looks = [] if outcome.looks is None else [f"Looks at these labels so far: {outcome.looks}."]
    facts = [f"{name}: {_rounded(value)}" for name, value in outcome.facts.items() if isinstance(value, int | float)]
    print_lines([*textwrap.wrap(outcome.definition, WIDTH), ""])
    for rows in (outcome.facts.get("candidates"), outcome.rows):
        print_lines([*_table(rows), ""] if rows else [])
    print_lines([*facts, ""] if facts else [])
    print_lines([*textwrap.wrap(outcome.sentence, WIDTH), *looks])


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return text.table([{key: _rounded(value) for key, value in row.items()} for row in rows], columns)


def _rounded(value: Any) -> Any:
    """Return a number as text of four decimals or more: scores are fractions here, as in JSON."""
    return fixed(value, 4) if isinstance(value, float) else value


def _late(seen: list[str]) -> list[str]:
    return ["Late: this plan comes after an evaluation.", *(f"  - {one}" for one in seen)] if seen else []
