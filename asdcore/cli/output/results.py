"""How results with their intervals look on a terminal: at most 100 columns for the machines of any year.

The tables are rich's: on a terminal intervals are dim and the best value of a cell is bold; in a file they are text.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.output.terminal import WIDTH

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from asdcore.evidence.comparisons.comparison import Comparison
    from asdcore.evidence.evaluations.evaluate import Evaluation
    from asdcore.evidence.evaluations.trials import TrialsEvaluation

MEANING = {
    0: [
        "AUC: a machine's normal clips against its faulty ones; pAUC: up to 10 % false positives (50 is chance).",
        "recall, false alarms: the faulty and the normal clips above the threshold that train normals gave.",
        "Mean score: of AUC and pAUC, over machines. No challenge's score exists without source and target clips.",
    ],
    2020: ["AUC, pAUC: the normals of a machine ID against its anomalies.", "Official score: their arithmetic mean."],
    2021: [
        "AUC, pAUC of a domain: its normals against the anomalies of the same domain.",
        "Official score: harmonic mean of all cells.",
    ],
    2022: [
        "AUC of a domain: its normals against ALL anomalies of the section.",
        "pAUC: both domains, up to 10 % false positives, standardized (50 is chance).",
        "Official score: harmonic mean of all cells.",
    ],
}
NO_WIDTH = [
    "An interval without width, as at 100, says that no draw of these clips changes the value, not that",
    "it is sure: where n anomalies all rank above n normals, the AUC may be as low as 0.025^(1/n), which",
    "is 54 % for 6 clips of each, 83 % for 20 and 96 % for 100. Of windows, n counts their recordings.",
]
"""Where n pairs are all ranked right, an AUC below 0.025^(1/n) would show that in less than 2.5 % of test sets."""
OF_DECISIONS = {"recall": "recall", "false_positive_rate": "false alarms"}
OF_CLIPS = """
p: paired permutation test; p, Holm: corrected for all rows. detectable: a true difference this
large would be found by a test at 5 % on 80 of 100 such sets of test clips."""
OF_TRIALS = """
difference: the mean over trials, paired by their seed, with its interval over trials and clips (Obuchowski
and Rockette, 1995). SD: of the differences over trials. p: t test of the same; p, Holm: corrected for all
rows. detectable: a true difference this large would be found in 80 of 100 such studies."""
Pair = Sequence[float] | None


def show_evaluation(result: Evaluation) -> None:
    """Print the cells of every machine and system, then the official scores, in percent."""
    from asdcore.evidence.evaluations.trials import TrialsEvaluation

    trials = result.trials if isinstance(result, TrialsEvaluation) else {}
    of_what = f", means over {len(trials)} trials" if trials else ""
    rules = f"Official metrics of DCASE {result.year}" if result.year else "Metrics of your own recordings"
    lines = [f"{rules}, in percent{of_what}.", *MEANING[min(result.year, max(MEANING))]]
    if sure := result.uncertainty:
        interval = "interval over other clips" if trials else "interval"
        lines.append(f"[low, high]: {100 * sure.level:g} % {interval}, BCa bootstrap of {sure.replicates} replicates.")
        if sure.machines:
            lines.append("other machines: where the score of machines like these may lie; jackknife.")
        lines += NO_WIDTH if _lacks_width(result) else []
        lines += [textwrap.fill(f"note: {line}", WIDTH) for line in sure.notes]
    if len(trials) > 1:
        lines.append("SD: how far trials lie apart on these clips, which is what other seeds may change.")
    lines += [f"note: {line}" for line in result.not_judged]
    typer.echo("\n".join([*lines, ""]))
    _print(_cells(result))
    _print(_officials(result))
    if isinstance(result, TrialsEvaluation):
        _print(_each_trial(result))


def show_comparison(comparison: Comparison) -> None:
    """Print the official scores, then the difference of every two systems in points, and what each means."""
    from asdcore.evidence.uncertainty.trial_pairs import TrialDifference

    year = comparison.evaluation.year
    of = f"Official scores of DCASE {year}" if year else "Mean scores of your own recordings"
    typer.echo(f"{of} in percent, and their differences in points, with 95 % intervals.\n")
    _print(_officials(comparison.evaluation))
    sure = comparison.evaluation.uncertainty
    for line in sure.notes if sure else ():
        typer.echo(textwrap.fill(f"note: {line}", WIDTH) + "\n")
    trials = any(isinstance(pair, TrialDifference) for pair in comparison.differences)
    table = _table("first", "second")
    for heading in ("difference", *(["SD"] if trials else []), "p", "p, Holm", "detectable"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in comparison.differences:
        spread = [fixed(100 * pair.sd)] if isinstance(pair, TrialDifference) else []
        numbers = f"{pair.p:.2g}", f"{pair.p_holm:.2g}", fixed(100 * pair.smallest_detectable)
        table.add_row(pair.first, pair.second, _value(pair.estimate, pair.interval.as_json(), 2), *spread, *numbers)
    _print(table)
    for pair in comparison.differences:
        typer.echo(textwrap.fill(pair.sentence, WIDTH, initial_indent="- ", subsequent_indent="  "))
    typer.echo(OF_TRIALS if trials else OF_CLIPS)


def rows_of_differences(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the difference of every two systems as papers print it, in points with two decimals."""
    from asdcore.evidence.uncertainty.trial_pairs import TrialDifference

    return [
        {
            "first": pair.first,
            "second": pair.second,
            "difference": fixed(100 * pair.estimate),
            **{name: fixed(100 * end) for name, end in zip(("low", "high"), pair.interval.as_json(), strict=True)},
            **({"SD": fixed(100 * pair.sd)} if isinstance(pair, TrialDifference) else {}),
            "p": f"{pair.p:.2g}",
            "p, Holm": f"{pair.p_holm:.2g}",
            "detectable": fixed(100 * pair.smallest_detectable),
        }
        for pair in comparison.differences
    ]


def _cells(result: Evaluation) -> Table:
    """Return the table of cells: a row for each machine, section and system."""
    systems = result.as_json()["systems"]
    first = next(iter(systems.values()))["cells"]
    names = [name.removesuffix("_ci95") for name in first[0] if name.endswith("_ci95")]
    alone = all(row["section"] == "00" for row in first)
    decided = {name: heading for name, heading in OF_DECISIONS.items() if result.year == 0 and name in first[0]}
    many = len(names) > 3
    table = _table("machine" if alone else "machine, section", "system", gap=1 if many else 2)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for heading in decided.values():
        table.add_column(heading, justify="right", no_wrap=True)
    digits = 0 if many else 1
    for i, place in enumerate(first):
        rows = {system: values["cells"][i] for system, values in systems.items()}
        best = {name: max(row[name] for row in rows.values()) for name in names}
        where = place["machine"] if alone else f"{place['machine']} {place['section']}"
        for system, row in rows.items():
            values = [
                _value(row[name], row[f"{name}_ci95"], digits, len(rows) > 1 and row[name] == best[name])
                for name in names
            ]
            table.add_row(where, system, *values, *(_value(row[name], None, digits) for name in decided))
            where = ""
    return table


def _lacks_width(result: Evaluation) -> bool:
    """Whether an interval of a cell or an official score has no width, since all clips are ranked right or wrong."""
    rows = [row for system in result.as_json()["systems"].values() for row in (system, *system["cells"])]
    intervals = [value for row in rows for name, value in row.items() if name.endswith("ci95") and value]
    return any(low == high for low, high in intervals)


def _officials(result: Evaluation) -> Table:
    """Return the table of official scores."""
    table = _table("system")
    table.add_column(result.total.replace("_", " "), justify="right", no_wrap=True)
    systems = result.as_json()["systems"]
    apart = any(values.get("sd") is not None for values in systems.values())
    if apart:
        table.add_column("SD", justify="right", no_wrap=True)
    spread = any(values["ci95_machines"] for values in systems.values())
    if spread:
        table.add_column("other machines", justify="right", no_wrap=True)
    best = max(system.official_score for system in result.systems.values())
    for name, values in systems.items():
        score = values[result.total]
        cells = [_value(score, values["ci95"], 2, len(result.systems) > 1 and score == best)]
        sd = [fixed(100 * values["sd"])] if apart else []
        table.add_row(name, *cells, *sd, *([_interval(values["ci95_machines"], 1)] if spread else []))
    return table


def _each_trial(result: TrialsEvaluation) -> Table:
    """Return the table of the official scores of every trial: a row for each seed."""
    table = _table("trial")
    for name in result.systems:
        table.add_column(name, justify="right", no_wrap=True)
    for seed, trial in result.trials.items():
        systems = trial.as_json()["systems"].values()
        table.add_row(f"seed {seed}", *(_value(values[result.total], values["ci95"], 1) for values in systems))
    return table


def _table(*names: str, gap: int = 2) -> Table:
    """Return an empty table whose first columns are names."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _value(value: float, interval: Pair, digits: int, best: bool = False) -> Text:
    """Return a fraction in percent, and its interval."""
    from rich.text import Text

    parts: list[Any] = [(fixed(100 * value), "bold" if best else "")]
    if interval is not None:
        parts.append((f" {_interval(interval, digits)}", "dim"))
    return Text.assemble(*parts)


def _interval(interval: Sequence[float], digits: int) -> str:
    """Return [low, high] in percent."""
    low, high = (fixed(100 * bound, digits) for bound in interval)
    return f"[{low}, {high}]"


def _print(table: Table) -> None:
    """Print a table and an empty line; in a file it is as wide as it needs to be."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 10 * WIDTH, highlight=False).print(table)
    typer.echo()
