"""What commands share: options that mean the same everywhere, exit codes, and how results are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Task = Annotated[
    str | None, typer.Option(help="Dataset reader, such as dcase2026. Without it the grammar is detected.")
]
StoreDir = Annotated[Path | None, typer.Option(help="Folder of cached artifacts. Default: a per-user cache folder.")]
Workers = Annotated[int, typer.Option(min=1, help="Local processes. 1 works in this process.")]


def progress() -> Any:
    """Return where progress is shown: stderr."""
    from asdcore.progress import for_stderr

    return for_stderr()


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_lines(lines: list[str]) -> None:
    """Print lines on stdout."""
    for line in lines:
        typer.echo(line)
