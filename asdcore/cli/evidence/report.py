"""The command report: what runs are worth and why, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from asdcore.cli.shared import progress


def report(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders, compared side by side; or trials.")],
    out: Annotated[Path | None, typer.Option(help="File to write. Default: report.html in the first run.")] = None,
    audio: Annotated[bool, typer.Option("--audio", help="Embed the sound of the clips shown: a large file.")] = False,
    umap: Annotated[bool, typer.Option("--umap", help="Also show maps by UMAP (needs the extra umap).")] = False,
    explain: Annotated[
        int,
        typer.Option(help="For how many clips of each machine and system to say which band and seconds stand out."),
    ] = 0,
    csv: Annotated[Path | None, typer.Option(help="Folder for systems.csv and paper.csv.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Folder for paper.tex.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Evaluator-style truth folders, or an eval_data_list CSV.")] = None,
    year: Annotated[int | None, typer.Option(help="Challenge year whose rules apply, 2020 to 2026.")] = None,
) -> None:
    """Write a report of runs as one HTML file.

    Reads run folders. Writes one file that needs no network and nothing beside it: scores with intervals, plots, and
    the sound of clips if asked. It says why the highest clips stand out: by the shares of branches, and with --explain
    by bands and seconds. A run that has labels is evaluated, and the ledger records the look.

    Example: asdcore report runs/first --out report.html
    """
    from asdcore.reporting import report as write

    asked: dict[str, Any] = {"csv": csv, "latex": latex, "truth": truth, "year": year}
    path = write(runs, out, audio=audio, umap=umap, explain=explain, **asked, progress=progress())
    typer.echo(f"The report is in {path} ({path.stat().st_size / 1e6:.1f} MB): open it in a browser.")
    for folder, names in ((csv, "systems.csv and paper.csv"), (latex, "paper.tex")):
        if folder is not None:
            typer.echo(f"Tables: {names} in {folder}")
