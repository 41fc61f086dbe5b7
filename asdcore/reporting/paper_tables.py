"""Write tables for a paper: as CSV, and as LaTeX in the layout of the challenge's own result tables.

``systems.csv`` has a row for each system: its official score with its interval, and every cell of every machine.
``paper.csv`` and ``paper.tex`` have a row for each system and measure, and columns of the harmonic mean, the arithmetic
mean and each machine, as the official evaluator's table of teams has. All numbers are percent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import harmonic_mean
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


def write_latex(folder: Path, subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> None:
    """Write ``paper.tex``: a booktabs table, the best of every column and measure in bold."""
    _check(subjects)
    header, body = table(subjects, places)
    best = {
        (row[1], i): max(float(other[i]) for other in body if other[1] == row[1] and other[i])
        for row in body
        for i in range(2, len(header))
        if row[i]
    }
    lines = [f"\\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}", "\\toprule", line(header), "\\midrule"]
    for i, row in enumerate(body):
        if i and row[0] != body[i - 1][0]:
            lines.append("\\addlinespace")
        bold = {k for k in range(2, len(row)) if row[k] and float(row[k]) == best[row[1], k]}
        name = row[0] if not i or row[0] != body[i - 1][0] else ""
        lines.append(line([name, *row[1:]], bold))
    note = "% Percent. Made by asdcore; needs \\usepackage{booktabs}."
    text = "\n".join([note, *lines, "\\bottomrule", "\\end{tabular}", ""])
    write_noted(folder, dict.fromkeys(LATEX, text), "--latex")


def table(subjects: Sequence[Subject], places: Mapping[tuple[str, str], str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the challenge's table: system, measure, both means, then every machine."""
    shown = list(places)
    header = ["system", "measure", "h-mean", "a-mean", *(places[cell] for cell in shown)]
    body = []
    for subject in subjects:
        for name, result in subject.evaluation.systems.items() if subject.evaluation else ():
            rows = {(row["machine"], row["section"]): row for row in result.cells}
            for measure in official_cells(subject):
                values = [row[measure] for row in rows.values()]
                ends = [f"{100 * mean:.2f}" for mean in (harmonic_mean(values), float(np.mean(values)))]
                cells = [f"{100 * rows[cell][measure]:.2f}" if cell in rows else "" for cell in shown]
                body.append([subject.title(name), called(measure), *ends, *cells])
            body.append(
                [
                    subject.title(name),
                    total_name(subjects),
                    f"{100 * result.official_score:.2f}",
                    "",
                    *([""] * len(shown)),
                ]
            )
    return header, body


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
