"""Tables as files: --csv and --latex of every command that prints a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from asdcore.cli.output.streams import write_answer
from asdcore.errors import AsdcoreError

Csv = Annotated[Path | None, typer.Option("--csv", help="Also write the table to this new CSV file; - is stdout.")]
Latex = Annotated[
    Path | None, typer.Option("--latex", help="Also write the table to this new LaTeX file (booktabs); - is stdout.")
]


def export(rows: Sequence[Mapping[str, Any]], csv: Path | None, latex: Path | None) -> bool:
    """Write rows to the files that were asked for: fractions as fractions; in CSV numbers in full.

    Returns whether stdout was asked for: then nothing else belongs there.

    Raises AsdcoreError if a file exists already, so that none is lost.
    """
    if csv is None and latex is None:
        return False
    from asdcore.evidence.data_frames import frame
    from asdcore.reporting.latex import tabular

    table = frame(rows)
    if csv is not None:
        _write(csv, "--csv", table.write_csv())
    if latex is not None:
        table = table.drop("sentence", strict=False)  # What the numbers say in words is no cell of a typeset table.
        body = [["" if value is None else _short(value) for value in row] for row in table.rows()]
        _write(latex, "--latex", tabular(table.columns, body))
    return "-" in (str(csv), str(latex))


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
