"""The commands select and audit: choosing honestly."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.evidence.ledger import Hypothesis
from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.output.terminal import WIDTH
from asdcore.cli.shared import Json, print_json, print_lines

if TYPE_CHECKING:
    from asdcore.evidence.selection.outcome import Outcome

Runs = Annotated[list[Path], typer.Argument(help="Finished run folders, on the same recordings.")]
Systems = Annotated[
    list[str] | None, typer.Option("--systems", help="A candidate: SYSTEM, or RUN/SYSTEM for several runs. Repeatable.")
]
Truth = Annotated[Path | None, typer.Option(help="Evaluator-style truth folders, or an eval_data_list CSV.")]
Year = Annotated[int | None, typer.Option(help="Challenge year whose rules apply, 2020 to 2026.")]
PROTOCOLS = (
    "lomo: choose on all machines but one and score that one, for every machine: does the choice hold elsewhere? "
    "nested: like lomo, with scales and thresholds made without the normals that they judge. "
    "mirror: a system against its out-of-fold mirror: does it rest on normals that it has seen? "
    "tournament: draw the test clips again and again: how much of the winner's lead is luck? "
    "criteria: rank by train normals alone; a diagnostic, not a choice: on real sets held back its first was up to 32 "
    "points below the best. "
    "All but criteria look at the labels, and the ledger counts it."
)

Protocol = Annotated[Literal["lomo", "nested", "mirror", "tournament", "criteria"] | None, typer.Option(help=PROTOCOLS)]
Faults = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a protocol: weigh the branches by these faults. A folder FOLDER/MACHINE/KIND/*.wav, or a "
        "table with the columns path and machine."
    ),
]


def select(
    runs: Runs,
    protocol: Protocol = None,
    known_faults: Faults = None,
    out: Annotated[Path | None, typer.Option(help="New .json file: the portfolio with these weights.")] = None,
    systems: Systems = None,
    baseline: Annotated[str | None, typer.Option(help="What to beat, or to move away from. Default: first.")] = None,
    by: Annotated[str | None, typer.Option(help="Which criterion ranks (criteria).")] = None,
    truth: Truth = None,
    year: Year = None,
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap replicates (not lomo, nested).")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    hypothesis: Hypothesis = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Choose among systems, and say what that is worth.

    Reads run folders on the same recordings. Prints which system the protocol chooses, what that choice is worth, and
    the numbers behind it. With --known-faults it weighs branches by a few labelled faults, shrunken towards the
    label-free --baseline, and writes the portfolio; not for the challenge, whose rules forbid it.

    Example: asdcore select runs/first --protocol lomo
    """
    from asdcore.evidence.selection.choose import select as choose

    outcome = choose(
        runs,
        protocol,
        known_faults=known_faults,
        out=out,
        systems=systems,
        baseline=baseline,
        by=by,
        truth=truth,
        year=year,
        replicates=replicates,
        seed=seed,
        hypothesis=hypothesis,
    )
    if not export(outcome.rows, csv, latex, lambda: [_shown(outcome, row) for row in outcome.rows]):
        _show(outcome, as_json)


def audit_plan(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="The plan to write, a sealed JSON file.")],
    systems: Systems = None,
    within: Annotated[
        float, typer.Option(help="How far below the best official score is near enough: 0.005 is half a point.")
    ] = 0.005,
    risk: Annotated[
        Literal["target_share_of_top_normals", "target_fpr_at_threshold"],
        typer.Option(help="Which reading of the target false-positive ratio decides."),
    ] = "target_share_of_top_normals",
    late: Annotated[bool, typer.Option("--late", help="Plan after an evaluation; the plan says so.")] = False,
    as_json: Json = False,
) -> None:
    """Write down candidates and rule, sealed, before any metric.

    Reads run folders that nobody has evaluated yet. Writes a sealed plan (JSON) that names the candidates and the rule
    by which 'asdcore audit decide' will choose, and enters it in the ledger.

    Example: asdcore audit plan runs/first runs/second --out plan.json
    """
    from asdcore.evidence.selection.audit import audit_plan as plan

    made = plan(runs, out, systems=systems, within=within, risk=risk, late=late)
    if as_json:
        print_json(made)
        return
    names = ", ".join(candidate["name"] for candidate in made["candidates"])
    print_lines([f"{out}: {len(made['candidates'])} candidates, {names}.", *textwrap.wrap(made["rule"], WIDTH)])
    print_lines(_late(made["late"]))
    typer.echo(f"Next: asdcore audit decide {out}")


def audit_decide(
    plan: Annotated[Path, typer.Argument(help="A plan that 'asdcore audit plan' wrote.")],
    truth: Truth = None,
    year: Year = None,
    as_json: Json = False,
) -> None:
    """Evaluate the candidates of a plan, and choose by its rule.

    Reads a plan and the runs that it names. Prints the metrics of the candidates and the choice. This is a look at the
    labels, which the ledger records.

    Example: asdcore audit decide plan.json
    """
    from asdcore.evidence.selection.audit import audit_decide as decide

    _show(decide(plan, truth=truth, year=year), as_json)


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_json())
        return
    looks = [] if outcome.looks is None else [f"Looks at these labels so far: {outcome.looks}."]
    figures = {name: value for name, value in outcome.facts.items() if isinstance(value, int | float)}
    facts = [f"{name}: {value}" for name, value in _shown(outcome, figures).items()]
    unit = [] if outcome.protocol == "criteria" else ["Scores, shares and their differences are in percent."]
    print_lines([*textwrap.wrap(outcome.definition, WIDTH), *unit, ""])
    for rows in (outcome.facts.get("candidates"), outcome.rows, outcome.facts.get("kinds")):
        print_lines([*_table(outcome, rows), ""] if rows else [])
    print_lines([*facts, ""] if facts else [])
    print_lines([*textwrap.wrap(outcome.sentence, WIDTH), *looks])


def _table(outcome: Outcome, rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return terminal.table([_shown(outcome, row) for row in rows], columns)


def _shown(outcome: Outcome, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with fractions in percent, of two decimals, and other numbers of four."""
    decimals = {name: 4 if name in outcome.no_fractions else 2 for name in row}
    return {
        name: fixed(value, decimals[name]) if isinstance(value, float) else value
        for name, value in outcome.in_percent(row).items()
    }


def _late(seen: list[str]) -> list[str]:
    return ["Late: this plan comes after an evaluation.", *(f"  - {evaluation}" for evaluation in seen)] if seen else []
