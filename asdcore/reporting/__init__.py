"""The report: what some runs are worth and why, as one HTML file that needs nothing else.

subjects   the runs, their labels (each look is logged), what is missing of them
worth      intervals, differences and the ledger, asked of the evidence modules
machines   distributions, ROC curves and tails; pictures: their spectrograms and sound
branches   correlations, and what each part brings; maps, cost, origin
charts     how it is drawn; page puts everything into one file
paper      the tables for a paper
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asdcore.basics.paths import path_or
from asdcore.basics.paths import places as optional
from asdcore.errors import StoreError
from asdcore.progress import Progress, Silent
from asdcore.reporting import maps, page, paper
from asdcore.reporting.content import gather
from asdcore.reporting.reported_runs import Subject, open_subjects, places
from asdcore.reporting.statistics import Worth
from asdcore.reporting.statistics import worth as worth_of
from asdcore.runs.folder import REPORT_FILE, Run, load_run
from asdcore.store.atomic import check_writable, write_text
from asdcore.store.ownership import check_noted
from asdcore.store.seal import is_sealed_page, seal_page

__all__ = ["REPORT_FILE", "report"]


def report(
    runs: Run | str | Path | Sequence[Run | str | Path],
    out: str | Path | None = None,
    *,
    audio: bool = False,
    umap: bool = False,
    csv: str | Path | None = None,
    latex: str | Path | None = None,
    truth: str | Path | None = None,
    year: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write one self-contained HTML file about one or several runs; returns its path.

    out : the file; by default ``report.html`` in the folder of the first run. audio : embed the sound of tail clips
    (about 80 kB a clip). umap : maps by UMAP beside those by PCA. csv, latex : folders that get tables for a paper.
    truth, year : see :func:`asdcore.evaluate`, which the report calls for every run: each look at labels is logged. A
    run without labels, recordings or store still gets a report, which says what is missing.

    Raises an AsdcoreError where a run cannot be read, labels that were named do not fit, a library is missing, or a
    file would be written over that asdcore did not write as it is. A report ends with its SHA-256; tables are noted.
    """
    _check_libraries(umap)
    named = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    opened = [one if isinstance(one, Run) else load_run(one) for one in named]
    path = path_or(out, "out", (opened[0].folder if opened else Path()) / REPORT_FILE)
    _check_places(path, tables := optional(csv=csv, latex=latex))
    shown = progress or Silent()
    with shown.stage("evaluate", len(opened)) as advance:
        subjects = open_subjects(opened, optional(truth=truth)["truth"], year, advance)
    with shown.stage("compare", 1) as advance:
        called, worth = places(subjects), worth_of(subjects)
        advance(1)
    _write_tables(tables, subjects, worth, called)
    with shown.stage("draw", 1) as advance:
        text = seal_page(page.render(gather(subjects, worth, called, audio=audio, umap=umap)))
        _check_places(path, {})  # again, for this may have taken a while
        write_text(path, text)
        advance(1)
    return path


def _check_libraries(umap: bool) -> None:
    page.check_libraries()
    if umap:
        maps.check_umap()


def _write_tables(
    folders: Mapping[str, Path | None], subjects: list[Subject], worth: Worth, called: Mapping[tuple[str, str], str]
) -> None:
    if folder := folders["csv"]:
        paper.write_csv(folder, subjects, worth, called)
    if folder := folders["latex"]:
        paper.write_latex(folder, subjects, called)


def _check_places(report: Path, tables: Mapping[str, Path | None]) -> None:
    """Raise StoreError where something would be written over that is not asdcore's."""
    for what, folder in tables.items():
        if folder is not None:
            check_noted(folder, paper.CSV if what == "csv" else paper.LATEX, f"--{what}")
    check_writable(report.parent)
    if (report.exists() or report.is_symlink()) and (report.is_symlink() or not is_sealed_page(report)):
        raise StoreError(
            f"{report} is there, and is not a report that asdcore wrote, or was changed since: it is not written over. "
            "Move it away, or choose another file with --out."
        )
