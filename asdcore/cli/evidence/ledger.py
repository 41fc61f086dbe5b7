"""The commands ledger and verdict: results that were evaluated on labels, and the verdicts on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.shared import FAILED, Json, StoreDir, print_json, print_lines

if TYPE_CHECKING:
    from asdcore.evidence.ledger import Ledger
    from asdcore.store.digests.hash_chain import Line

Hypothesis = Annotated[str | None, typer.Option(help="What you expect, in a sentence, for the ledger.")]
VerdictOption = Annotated[
    Literal["kept", "rejected"] | None, typer.Option(help="What you do with the result, for the ledger.")
]


def ledger(
    store: StoreDir = None,
    table: Annotated[bool, typer.Option("--table", help="Show the rejected results, against the kept one.")] = False,
    results: Annotated[
        Path | None, typer.Option("--import", help="First append the results of this table (.csv, .parquet).")
    ] = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Show and verify the record of every look at labels.

    Reads the ledger of a store. Prints for each look its result, what was expected, and the verdict. Exits with 1,
    naming the line, if the record is not as it was written. --import appends what was tried elsewhere: a table with the
    columns set, system and official_score, and perhaps what, year, hypothesis, verdict (rejected) and because.

    Example: asdcore ledger --table
    """
    from asdcore.evidence.imported_results import import_results
    from asdcore.evidence.ledger import ledger as read_ledger

    if results is not None:
        added, there = import_results(results, store=store)
        typer.echo(_appended(added, there, results), err=True)
    read = read_ledger(store)
    is_answered = export(_values(read, rejected=table), csv, latex)
    if as_json:
        print_json(as_object(read))
    elif not is_answered:
        print_lines(negative_lines(read) if table else lines(read))
    if read.chain.problems:
        if not as_json:
            typer.echo(f"The ledger {read.path} is not as it was written:", err=True)
            for problem in read.chain.problems:
                typer.echo(f"  - {problem}", err=True)
        raise typer.Exit(FAILED)


def _appended(added: int, there: int, table: Path) -> str:
    if not added:
        return f"Nothing was appended: the ledger has all results of {table} already ({there})."
    before = f", {there} {'was' if there == 1 else 'were'} there already" if there else ""
    return f"{added} {'result' if added == 1 else 'results'} appended{before}."


def verdict(
    entry: Annotated[str, typer.Argument(help="Line number of an evaluation in the ledger, or digits of its hash.")],
    verdict: Annotated[Literal["kept", "rejected"], typer.Argument(help="What became of it.")],
    because: Annotated[str | None, typer.Option(help="Why, in a sentence.")] = None,
    system: Annotated[str | None, typer.Option(help="One of the evaluated systems. Default: all of them.")] = None,
    store: StoreDir = None,
) -> None:
    """Write down whether a result is kept or rejected.

    Reads the line of an evaluation in the ledger, and appends the verdict to the ledger.

    Example: asdcore verdict 2 rejected --because "pAUC fell"
    """
    from asdcore.evidence.ledger import verdict as judge

    line = judge(entry, verdict, because, system=system, store=store)
    typer.echo(f"Line {line.number}: {verdict}. 'asdcore ledger --table' shows what was rejected.")


def as_object(read: Ledger) -> dict[str, Any]:
    """Return what ``asdcore ledger --json`` prints."""
    from asdcore.evidence.negative_evidence import negative_evidence

    return {
        "ledger": str(read.path),
        "intact": not read.chain.problems,
        "problems": read.chain.problems,
        "head": read.chain.head,
        "looks": read.counts(),
        "entries": [{"line": line.number, **line.entry} for line in read.chain.lines],
        "negative_evidence": negative_evidence(read),
    }


def lines(read: Ledger) -> list[str]:
    """Return the ledger as lines: every look, then how often each ground truth was looked at."""
    if not read.chain.lines:
        return [f"No label was looked at: there is no ledger {read.path} yet. 'asdcore evaluate' begins one."]
    rows = [row for look in read.looks for row in _rows(read, look)]
    counts = [{"ground truth": truth[:12], "looks": count} for truth, count in read.counts().items()]
    head = read.chain.head
    return [
        *terminal.table(rows, _filled(rows)),
        "",
        *terminal.table(counts, ["ground truth", "looks"]),
        "",
        f"{head['entries']} chained entries, the last {head['hash'] or '-'}.",
        "Keep that hash elsewhere, such as in a commit: against it even a ledger that was rewritten as a whole shows.",
    ]


def _filled(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns of the table of looks; verdict and hypothesis only if there is any."""
    always = ["line", "time (UTC)", "what", "system", "score", "ci95"]
    return always + [name for name in ("verdict", "hypothesis") if any(row[name] for row in rows)]


def _minute(time: Any) -> Any:
    """Return a time of the ledger to the minute, 2026-11-30 08:05; anything else as it stands there."""
    return time[:16].replace("T", " ") if isinstance(time, str) and time.endswith("+00:00") else time


def negative_lines(read: Ledger) -> list[str]:
    """Return the rejected results as lines."""
    from asdcore.evidence.negative_evidence import negative_evidence

    rejected = negative_evidence(read)
    if not rejected:
        return ["Nothing was rejected: 'asdcore verdict LINE rejected' says so of an evaluation."]
    rows = [
        {
            "line": row["line"],
            "what": row["what"],
            "system": row["system"],
            "score": 100 * row["official_score"],
            "ci95": interval(row["ci95"]),
            "mean AUC": _percent(row["mean_auc"]),
            "mean pAUC": _percent(row["mean_pauc"]),
            "to the kept": None if row["difference"] is None else fixed(100 * row["difference"], signed=True),
            "kept": row["kept"],
            "hypothesis": row["hypothesis"],
            "verdict": f"{row['verdict']}: {row['because']}" if row["because"] else row["verdict"],
        }
        for row in rejected
    ]
    return [
        "Negative evidence: what was evaluated and rejected, in percent.",
        "",
        *terminal.table(rows, list(rows[0])),
        "",
        "to the kept: official score less the best of what was last kept on the same labels; no paired interval, for",
        "which 'asdcore compare' needs the runs.",
    ]


def interval(ci95: Any) -> str | None:
    """Return an interval in percent."""
    return None if ci95 is None else f"[{fixed(100 * ci95[0])}, {fixed(100 * ci95[1])}]"


def _rows(read: Ledger, look: Line) -> list[dict[str, Any]]:
    """Return a row for each system of a look; only the first says when, at what, and what was expected."""
    entry = look.entry
    first = {
        "time (UTC)": _minute(entry.get("time")),
        "what": entry.get("what"),
        "hypothesis": entry.get("hypothesis"),
    }
    from asdcore.evidence.look import results_in

    results: dict[Any, Any] = dict(results_in(look)) or {None: {}}
    return [
        {
            "line": look.number,
            **(dict.fromkeys(first, "") if place else first),
            "system": name,
            "score": _percent(result.get("official_score")),
            "ci95": interval(result.get("ci95")),
            "verdict": read.verdict_on(look, name),
        }
        for place, (name, result) in enumerate(results.items())
    ]


def _values(read: Ledger, rejected: bool) -> list[dict[str, Any]]:
    """Return the rows of the table as values: every result that was looked at, or those that were rejected."""
    from asdcore.evidence.look import results_in
    from asdcore.evidence.negative_evidence import negative_evidence

    if rejected:
        return negative_evidence(read)
    return [
        {"line": look.number, **{key: look.entry.get(key) for key in ("time", "what", "hypothesis")}}
        | {"system": system, "official_score": result.get("official_score"), "ci95": result.get("ci95")}
        | {"verdict": read.verdict_on(look, system)}
        for look in read.looks
        for system, result in results_in(look).items()
    ]


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value
