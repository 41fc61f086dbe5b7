"""Tables as files: --csv and --latex of every command that prints a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.output.streams import write_answer
from asdcore.errors import AsdcoreError

if TYPE_CHECKING:
    from asdcore.evidence.evaluations.evaluate import Evaluation

Csv = Annotated[Path | None, typer.Option("--csv", help="Also write the table to this new CSV file; - is stdout.")]
Latex = Annotated[
    Path | None, typer.Option("--latex", help="Also write the table to this new LaTeX file (booktabs); - is stdout.")
]
AllColumns = Annotated[
    bool, typer.Option("--all-columns", help="In LaTeX, the columns of the CSV instead of the table of papers.")
]


def export_evaluation(evaluation: Evaluation, csv: Path | None, latex: Path | None, all_columns: bool) -> bool:
    """Write the results of systems to the files that were asked for: in LaTeX the table that papers print, in percent.

    all_columns : whether LaTeX gets the columns of the CSV instead. Returns whether stdout was asked for.
    """

    def of_papers() -> str:
        from asdcore.reporting.paper_tables import latex_of

        return latex_of([(str, evaluation)], evaluation.total.replace("_", " "))

    return export(evaluation.rows_of_values(), csv, latex, None if all_columns else of_papers)


def export(
    rows: Sequence[Mapping[str, Any]],
    csv: Path | None,
    latex: Path | None,
    typeset: Callable[[], str | Sequence[Mapping[str, Any]]] | None = None,
) -> bool:
    """Write rows to the files that were asked for: in CSV fractions as fractions and numbers in full.

    typeset : what makes the table, or the rows, that LaTeX gets instead; those of CSV by default.

    Returns whether stdout was asked for: then nothing else belongs there.

    Raises AsdcoreError if a file exists already, so that none is lost.
    """
    if csv is None and latex is None:
        return False
    from asdcore.evidence.data_frames import frame

    if csv is not None:
        _write(csv, "--csv", frame(rows).write_csv())
    if latex is not None:
        shown = rows if typeset is None else typeset()
        _write(latex, "--latex", shown if isinstance(shown, str) else _tabular(shown))
    return "-" in (str(csv), str(latex))


def _tabular(rows: Sequence[Mapping[str, Any]]) -> str:
    from asdcore.evidence.data_frames import frame
    from asdcore.reporting.latex import tabular

    table = frame(rows).drop("sentence", strict=False)  # What the numbers say in words is no cell of a typeset table.
    body = [["" if value is None else _short(value) for value in row] for row in table.rows()]
    return tabular(table.columns, body)


def _write(path: Path, option: str, content: str) -> None:
    from asdcore.store.disk.atomic import write_text

    if str(path) == "-":
        write_answer(content, end="")
        return
    if path.exists() or path.is_symlink():
        raise AsdcoreError(f"{path} exists and is not written over. Choose another file with {option}, or remove it.")
    write_text(path, content)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
