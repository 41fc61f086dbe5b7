"""The command decisions: the false positives that thresholds promise, by clip and by recording, and those that came."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.output.terminal import WIDTH
from asdcore.cli.shared import Json, print_json, print_lines
from asdcore.errors import AsdcoreError, EvaluationError

if TYPE_CHECKING:
    from asdcore.evidence.false_alarms.decisions import FalsePositives
    from asdcore.evidence.false_alarms.rates import Rates
    from asdcore.runs.folder import Run

PLACE = ("system", "machine", "section")
READINGS = {
    "target_fpr_at_threshold": "share of target test normals above the threshold.",
    "target_share_of_top_normals": "share of target clips among the tenth of test normals that score highest.",
    "false_positive_rate": "share of test normals above the threshold.",
}
COUNTED = (
    "groups: of normals that were recorded together. ci95: of the rate. smallest: what so many groups can promise at "
    "least, whatever their scores."
)
MEANING = (
    "leave-one-out gives: what new recordings would meet, which is how many train normals, scored without the clips "
    "beside them, lie above the threshold that leave-one-out scores would set; nothing (-) if a domain has too few "
    "groups. by groups: train normals above {threshold}. came: labelled test normals above this run's threshold."
)
Row = dict[str, Any]
CELL = ("system", "machine", "section", "domain")
RATES = ("one_by_one", "new", "by_group", "came")
LIMITS = ("system", "machine", "section", "normals", "groups", "threshold", "estimate", "bound")
ASSUMPTION = (
    "threshold: what decides: the plain quantile, or the bound if the rule is 'conformal'. estimate: comes to the "
    "rate aimed at on average, with few groups too. bound: keeps it by proof, if a new clip comes from a new group "
    "that is exchangeable with the train groups; nothing (-) if there are too few."
)


def decisions(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    systems: Annotated[list[str] | None, typer.Option("--systems", help="A system of the run. Repeatable.")] = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Show what false positives thresholds promise.

    Reads a run folder. Prints how many train normals lie above the threshold, clip by clip and by recording, and the
    test normals above it if the run has been evaluated. It looks at no label itself. --csv and --latex write all of it
    as one table.

    Example: asdcore decisions runs/first
    """
    from asdcore.evidence.false_alarms.decisions import decisions as count
    from asdcore.evidence.false_alarms.group_thresholds import group_thresholds
    from asdcore.evidence.labels.truth import tells_labels
    from asdcore.runs.folder import load_run

    done = load_run(run)
    counts = count(done, systems)
    chosen = {row.system for row in counts}
    evaluated = _evaluated(run)
    tested = _tested(evaluated, chosen)
    beside, why = _beside(done, chosen, evaluated)
    counted = group_thresholds(done, systems)
    limits = [limit.as_json() for limit in counted]
    normals, rates = ([row.as_json() for row in rows] for rows in (counts, beside))
    is_answered = export(_joined(normals, rates, limits), csv, latex)
    if as_json:
        print_json({"train_normals": normals, "test_normals": tested, "side_by_side": rates, "thresholds": limits})
    if as_json or is_answered:
        return
    _show_counts(counts)
    print_lines(_seen_by_networks(done, chosen))
    _show_beside(beside, why)
    _show_limits(limits, [limit.doubt for limit in counted])
    if tested:
        shown = [name for name in READINGS if any(row.get(name) is not None for row in tested)]
        readings = [f"{name}: {READINGS[name]}" for name in shown]
        print_lines(["", "Test normals:", "", *_table(tested, (*PLACE, *shown)), "", *readings])
    elif "test" in set(done.clips["split"]):
        labelled = f"Test normals: not evaluated yet. Next: asdcore evaluate {run}"
        bare = f"Which test clips are normal is unknown: they have no labels. Next: asdcore report {run}"
        typer.echo(labelled if tells_labels(done) else bare)
    else:
        typer.echo(f"The run has no test clips. Next: asdcore freeze {run} --out FILE.json")


def _seen_by_networks(run: Run, systems: set[str]) -> list[str]:
    """Return a note if systems rest on scores of train clips that a network has seen."""
    from asdcore.held_out import seen_notes
    from asdcore.portfolio import parse_portfolio

    plan = parse_portfolio(run.about["portfolio"])
    needed = set[str]().union(*(plan.systems[name].branches for name in systems))
    return [
        line for note in seen_notes(run.about.get("out_of_fold", []), needed) for line in textwrap.wrap(note, WIDTH)
    ]


def _show_counts(counts: list[FalsePositives]) -> None:
    """Print the table of train normals and its warnings."""
    rows = [_as_percent(count.as_json()) for count in counts]
    print_lines(["Train normals above the threshold, scored out of fold, in percent:", ""])
    print_lines([*_table(rows, list(rows[0])), ""])
    print_lines([*textwrap.wrap(COUNTED, WIDTH), ""])
    doubts = [f"{count.machine} section {count.section}: {count.warning}" for count in counts if count.warning]
    print_lines([line for doubt in dict.fromkeys(doubts) for line in textwrap.wrap(doubt, WIDTH)])


def _show_limits(limits: list[Row], doubts: list[str | None]) -> None:
    """Print the thresholds that count groups, if any group has more than one clip."""
    if any(limit["groups"] < limit["normals"] for limit in limits):
        print_lines(["", "Thresholds that count groups:", "", *_table(limits, LIMITS), ""])
        print_lines(textwrap.wrap(ASSUMPTION, WIDTH))
        for doubt in filter(None, doubts):
            print_lines(["", *textwrap.wrap(doubt, WIDTH)])


def _table(rows: list[Row], columns: Sequence[str]) -> list[str]:
    """Return a table as lines, without the section where every machine has only 00, as in the data since 2023."""
    alone = all(row["section"] in ("00", None) for row in rows)
    return terminal.table(rows, [column for column in columns if column != "section" or not alone])


def _joined(counted: list[Row], beside: list[Row], limits: list[Row]) -> list[Row]:
    """Return the rows of ``counted``, each with the columns that the other tables have for it."""
    rates = {tuple(row[key] for key in CELL): {key: row[key] for key in RATES} for row in beside}
    bounds = {tuple(row[key] for key in CELL[:3]): {key: row[key] for key in LIMITS[5:]} for row in limits}
    unknown = dict.fromkeys(RATES if beside else ())
    joined = []
    for row in counted:
        cell = tuple(row[key] for key in CELL)
        joined.append(row | unknown | rates.get(cell, {}) | bounds.get(cell[:3], {}))
    return joined


def _beside(run: Run, systems: set[str], evaluated: dict[str, Any]) -> tuple[list[Rates], str]:
    """Return the rates by clip and by group, with those of the evaluation; or the reason why there are none."""
    from asdcore.evidence.false_alarms.side_by_side import side_by_side, why_nothing

    try:
        rates = side_by_side(run, systems)
    except AsdcoreError as error:
        return [], f"The rates that leave-one-out would promise are unknown: {error}"
    if not rates:
        return [], why_nothing(run, systems)
    came = {
        (name, cell["machine"], cell["section"], domain): cell.get(f"{domain}_fpr_at_threshold")
        for name, result in evaluated.items()
        for cell in result["cells"]
        for domain in ("source", "target")
    }
    return [replace(rate, came=came.get((rate.system, rate.machine, rate.section, rate.domain))) for rate in rates], ""


def _show_beside(beside: list[Rates], why: str) -> None:
    """Print the table by clip and by group, and the worst cell of each system in which the two disagree."""
    if not beside:
        print_lines(["", *textwrap.wrap(why, WIDTH)])
        return
    rows = [_side(rate) for rate in beside]
    print_lines(["", "Leave-one-out beside folds by group, in percent:", "", *_table(rows, list(rows[0])), ""])
    own = 'the threshold that [out_of_fold] by = "auto" would set' if beside[0].by_clip else "this run's threshold"
    print_lines(textwrap.wrap(MEANING.format(threshold=own), WIDTH))
    for system in dict.fromkeys(rate.system for rate in beside):
        wrong = sorted((rate for rate in beside if rate.system == system and rate.disagree), key=lambda rate: -rate.new)
        if wrong:
            more = f" So it is in {len(wrong) - 1} more." if wrong[1:] else ""
            print_lines(["", *textwrap.wrap(wrong[0].sentence + more, WIDTH)])


def _side(rate: Rates) -> dict[str, Any]:
    return {
        "system": rate.system,
        "machine": rate.machine,
        "section": rate.section,
        "domain": rate.domain,
        "normals": rate.normals,
        "groups": rate.groups,
        "aimed at": 100 * rate.nominal,
        "leave-one-out gives": 100 * rate.new if rate.enough else None,
        "by groups": 100 * rate.by_group,
        "came": None if rate.came is None else 100 * rate.came,
    }


def _evaluated(run: Path) -> dict[str, Any]:
    """Return what the run's evaluation wrote down of every system, {} if there is no evaluation."""
    from asdcore.basics.parse import parse_json
    from asdcore.runs.folder import EVALUATION_FILE

    path = run / EVALUATION_FILE
    if not path.is_file():
        return {}
    try:
        evaluated: dict[str, Any] = parse_json(path.read_bytes())["systems"]
        if not all(
            isinstance(cell, dict) and "machine" in cell for result in evaluated.values() for cell in result["cells"]
        ):
            raise ValueError("a cell has no machine")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} is damaged. Evaluate the run again: asdcore evaluate {run}") from error
    return evaluated


def _tested(evaluated: dict[str, Any], systems: set[str]) -> list[dict[str, Any]]:
    """Return the shares of test normals above the threshold that the run's evaluation wrote down, if it has one.

    A row for each machine and section, and before those of a system their mean, with no machine.
    """
    measured = [
        name for name in READINGS if any(name in cell for result in evaluated.values() for cell in result["cells"])
    ]
    columns = (*PLACE[1:], *(measured or list(READINGS)[:2]))
    cells = {name: [{key: cell.get(key) for key in columns} for cell in evaluated[name]["cells"]] for name in evaluated}
    means = {name: {key: _mean([row[key] for row in rows]) for key in columns[2:]} for name, rows in cells.items()}
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
        **{key: row[key] for key in ("system", "machine", "section", "domain", "normals", "groups", "above")},
        "rate": 100 * row["rate"],
        "ci95": "[{}, {}]".format(*(fixed(100 * bound) for bound in row["ci95"])),
        "aimed at": 100 * row["nominal"],
        "smallest": 100 * row["smallest_attainable"],
    }
