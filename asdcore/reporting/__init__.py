"""Write the report: how good runs are and why, as one self-contained HTML file.

reported_runs  opens the runs, and notes what is missing
labels         gets their labels; each look is logged
statistics     intervals, pairwise differences and ledger entries
machines/      each machine: distributions, ROC curves, the highest clips with their sound and what stands out
sections/      branches, maps, thresholds, trials, cost, provenance, a summary

content        rows for the charts, texts for the template
charts/        the Vega-Lite charts
vega           the Vega libraries that a page holds
page           the page with all of this inside

paper_tables   tables for a paper
latex          how LaTeX tables are written
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asdcore.basics.paths import path_or
from asdcore.basics.paths import places as optional
from asdcore.errors import StoreError
from asdcore.progress import Progress, Silent
from asdcore.reporting import page, paper_tables
from asdcore.reporting.content import gather
from asdcore.reporting.machines.explained import check_count
from asdcore.reporting.machines.machines_shown import show_machines
from asdcore.reporting.reported_runs import Subject, open_subjects, places
from asdcore.reporting.sections import maps
from asdcore.reporting.statistics import Statistics, compute_statistics
from asdcore.runs.folder import REPORT_FILE, Run
from asdcore.runs.trials import Trials, opened
from asdcore.store.digests.own_files import check_noted
from asdcore.store.digests.sealed_json import is_sealed_page, seal_page
from asdcore.store.disk.atomic import check_writable, write_text

__all__ = ["REPORT_FILE", "report"]


def report(
    runs: Run | Trials | str | Path | Sequence[Run | Trials | str | Path],
    out: str | Path | None = None,
    *,
    audio: bool = False,
    umap: bool = False,
    explain: int = 0,
    csv: str | Path | None = None,
    latex: str | Path | None = None,
    truth: str | Path | None = None,
    year: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a report on one or several runs: one self-contained HTML file.

    Every run is evaluated (:func:`asdcore.evaluate`), so each look at labels is logged. A run without labels,
    recordings or store still gets a report, which says what is missing.

    Parameters
    ----------
    runs : Run, Trials, path, or a sequence of them
        The runs to show side by side; or trials, all with the same seeds.
    out : path, optional
        The HTML file; by default ``report.html`` in the folder of the first run.
    audio : bool, optional
        Embed the sound of tail clips, about 80 kB each.
    umap : bool, optional
        Add maps by UMAP to those by PCA; needs the extra ``umap``.
    explain : int, optional
        Say of so many clips of each machine and system, the highest first, which band and which seconds stand out:
        exactly where branches are sums over bands, else by replacing parts of the sound. Each takes 20 scores, from its
        recording on. The shares of branches need no recording, and are there anyway.
    csv, latex : path, optional
        Folders for tables for a paper_tables.
    truth : path, optional
        Ground truth, as for :func:`asdcore.evaluate`.
    year : int, optional
        The year whose rules apply; by default that of the run's task.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Path
        The HTML file.

    Raises
    ------
    AsdcoreError
        If a library of the extra ``report`` is missing, or ``explain`` is out of range.
    EvaluationError
        If the given ground truth does not fit a run.
    StoreError
        If the report or a table would replace a file that asdcore did not write.

    Examples
    --------
    >>> path = asdcore.report("runs/first")
    >>> path.name
    'report.html'
    """
    _check_libraries(umap)
    check_count(explain)
    named = [runs] if isinstance(runs, Run | Trials | str | Path) else list(runs)
    given = [opened(run) for run in named]
    path = path_or(out, "out", (given[0].folder if given else Path()) / REPORT_FILE)
    _check_places(path, tables := optional(csv=csv, latex=latex))
    shown = progress or Silent()
    with shown.stage("evaluate", len(given)) as advance:
        subjects = open_subjects(given, optional(truth=truth)["truth"], year, advance)
    with shown.stage("compare", 1) as advance:
        called, statistics = places(subjects), compute_statistics(subjects)
        advance(1)
    _write_tables(tables, subjects, statistics, called)
    machines = show_machines(subjects, explain, shown)
    with shown.stage("draw", 1) as advance:
        text = seal_page(page.render(gather(subjects, statistics, called, machines, audio=audio, umap=umap)))
        _check_places(path, {})  # again, since drawing may take a while
        write_text(path, text)
        advance(1)
    return path


def _check_libraries(umap: bool) -> None:
    page.check_libraries()
    if umap:
        maps.check_umap()


def _write_tables(
    folders: Mapping[str, Path | None],
    subjects: list[Subject],
    statistics: Statistics,
    called: Mapping[tuple[str, str], str],
) -> None:
    if folder := folders["csv"]:
        paper_tables.write_csv(folder, subjects, statistics, called)
    if folder := folders["latex"]:
        paper_tables.write_latex(folder, subjects)


def _check_places(report: Path, tables: Mapping[str, Path | None]) -> None:
    """Raise StoreError if the report or a table would replace a file that asdcore did not write."""
    for what, folder in tables.items():
        if folder is not None:
            check_noted(folder, paper_tables.CSV if what == "csv" else paper_tables.LATEX, f"--{what}")
    check_writable(report.parent)
    if (report.exists() or report.is_symlink()) and (report.is_symlink() or not is_sealed_page(report)):
        raise StoreError(
            f"{report} exists and was not written by asdcore, or was changed since, so it is not written over. Move it "
            "away, or choose another file with --out."
        )
