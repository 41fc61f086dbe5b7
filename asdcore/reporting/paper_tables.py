"""Write tables for a paper: as CSV, and as LaTeX in the layout of the challenge's own result tables.

``systems.csv`` has a row for each system: its official score with its interval, and every cell of every machine.
``paper.csv`` and ``paper.tex`` have a row for each system and measure, and columns of the harmonic mean, the arithmetic
mean and each machine, as the official evaluator's table of teams has. Where a machine has several sections,
``paper.csv`` has a column for each, and ``paper.tex`` one of their mean, since a page is only so wide. All numbers are
percent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import Evaluation, SystemResult
from asdcore.evidence.metrics import harmonic_mean, rule
from asdcore.reporting.latex import line
from asdcore.reporting.reported_runs import Subject, called, official_cells, total_name
from asdcore.reporting.statistics import Statistics
from asdcore.store.digests.own_files import write_noted

CSV, LATEX = ("systems.csv", "paper.csv"), ("paper.tex",)


def write_csv(
    folder: Path, subjects: Sequence[Subject], statistics: Statistics, places: Mapping[tuple[str, str], str]
) -> None:
    """Write ``systems.csv`` and ``paper.csv`` into a folder; raises StoreError rather than replace other files."""
    _check(subjects)
    columns = list(dict.fromkeys(f"{places[row['machine'], row['section']]} {row['cell']}" for row in statistics.cells))
    rows: list[list[Any]] = [["system", total_name(subjects), "low", "high", *columns]]
    for name, interval in statistics.official.items():
        cells = {f"{places[row['machine'], row['section']]} {row['cell']}": f"{row['estimate']:.2f}"
                 for row in statistics.cells if row["system"] == name}  # fmt: skip
        ends = (f"{100 * fraction:.2f}" for fraction in (interval.estimate, interval.low, interval.high))
        rows.append([name, *ends, *(cells.get(column, "") for column in columns)])
    header, body = table(subjects, places)
    write_noted(folder, dict(zip(CSV, (_csv(rows), _csv([header, *body])), strict=True)), "--csv")


def write_latex(folder: Path, subjects: Sequence[Subject]) -> None:
    """Write ``paper.tex``: a booktabs table, the best of every column and measure in bold."""
    _check(subjects)
    evaluations = [(subject.title, subject.evaluation) for subject in subjects if subject.evaluation]
    write_noted(folder, dict.fromkeys(LATEX, latex_of(evaluations, total_name(subjects))), "--latex")


def latex_of(evaluations: Sequence[tuple[Callable[[str], str], Evaluation]], total: str) -> str:
    r"""Return the challenge's table in LaTeX.

    Parameters
    ----------
    evaluations : sequence of (callable, Evaluation)
        Results, each with what gives a system its name in the table.
    total : str
        What the score of a system is called, such as "official score".

    Returns
    -------
    str
        A booktabs table: a column for each machine, the mean of its sections by the rule of the year. If there are two
        systems or more, the best of every column and measure is in bold.

    Examples
    --------
    >>> from asdcore.evidence.evaluations.evaluate import Evaluation, SystemResult
    >>> cells = [{"machine": "fan", "section": "00", "auc": 0.8, "pauc": 0.5}]
    >>> result = Evaluation(2020, {"nearest": SystemResult(0.65, cells, [])})
    >>> latex_of([(str, result)], "official score").splitlines()[5]
    'nearest & AUC & 80.00 & 80.00 & 80.00 \\\\'

    """
    machines = list(dict.fromkeys(cell["machine"] for _, result in evaluations for cell in _first(result).cells))
    body = [row for title, result in evaluations for row in _of_machines(title, result, machines, total)]
    header = ["system", "measure", "h-mean", "a-mean", *machines]
    best = {
        (row[1], i): max(float(other[i]) for other in body if other[1] == row[1] and other[i])
        for row in body
        for i in range(2, len(header))
        if row[i]
    }
    several = len({row[0] for row in body}) > 1
    lines = [f"\\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}", "\\toprule", line(header), "\\midrule"]
    for i, row in enumerate(body):
        is_new = not i or row[0] != body[i - 1][0]
        lines += ["\\addlinespace"] if i and is_new else []
        bold = {k for k in range(2, len(row)) if several and row[k] and float(row[k]) == best[row[1], k]}
        lines.append(line([row[0] if is_new else "", *row[1:]], bold))
    note = "% Percent. Made by asdcore; needs \\usepackage{booktabs}."
    return "\n".join([note, *lines, "\\bottomrule", "\\end{tabular}", ""])


def table(subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the challenge's table: system, measure, both means, then every machine."""
    header, body = ["system", "measure", "h-mean", "a-mean", *places.values()], []
    for subject in subjects:
        for name, result in subject.evaluation.systems.items() if subject.evaluation else ():
            rows = {(row["machine"], row["section"]): row for row in result.cells}
            for measure in official_cells(subject.year):
                cells = [_percent(rows[cell][measure]) if cell in rows else "" for cell in places]
                body.append([subject.title(name), called(measure), *_means(result, measure), *cells])
            score = _percent(result.official_score)
            body.append([subject.title(name), total_name(subjects), score, "", *([""] * len(places))])
    return header, body


def _of_machines(
    title: Callable[[str], str], evaluation: Evaluation, machines: Sequence[str], total: str
) -> list[list[str]]:
    """Return the rows of an evaluation: system, measure, both means, then every machine."""
    mean, body = harmonic_mean if rule(evaluation.year).mean == "harmonic" else np.mean, []
    for name, result in evaluation.systems.items():
        for measure in official_cells(evaluation.year):
            sections = {
                machine: [cell[measure] for cell in result.cells if cell["machine"] == machine] for machine in machines
            }
            cells = [_percent(float(mean(values))) if values else "" for values in sections.values()]
            body.append([title(name), called(measure), *_means(result, measure), *cells])
        body.append([title(name), total, _percent(result.official_score), "", *([""] * len(machines))])
    return body


def _first(evaluation: Evaluation) -> SystemResult:
    return next(iter(evaluation.systems.values()))


def _means(result: SystemResult, measure: str) -> list[str]:
    """Return the harmonic and the arithmetic mean of a measure over machines and sections, in percent."""
    values = [cell[measure] for cell in result.cells]
    return [_percent(harmonic_mean(values)), _percent(float(np.mean(values)))]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _check(subjects: Sequence[Subject]) -> None:
    if all(subject.evaluation is None for subject in subjects):
        raise EvaluationError(
            "There are no labels, so there is no table of results. Give the ground truth with --truth, "
            "or leave --csv and --latex out."
        )


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
