"""The report: what some runs are worth and why, as one HTML file that needs nothing else.

subjects   the runs, their labels (each look is logged), what is missing of them
worth      intervals, differences and the ledger, asked of the evidence modules
machines   distributions, ROC curves and tails; pictures: their spectrograms and sound
branches   correlations, and what each part brings; maps, cost, origin
charts     how it is drawn; page puts everything into one file
paper      the tables for a paper
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asdcore.progress import Progress, Silent
from asdcore.reporting import maps, page, paper
from asdcore.reporting.content import gather
from asdcore.reporting.subjects import open_subjects, places
from asdcore.reporting.worth import worth as worth_of
from asdcore.runs import REPORT_FILE, Run
from asdcore.store.atomic import write_text

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

    Raises an AsdcoreError where a run cannot be read, labels that were named do not fit, or a library is missing.
    """
    page.check_libraries()
    if umap:
        maps.check_umap()
    given = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    shown = progress or Silent()
    with shown.stage("evaluate", len(given)) as advance:
        subjects = open_subjects(given, None if truth is None else Path(truth), year, advance)
    with shown.stage("compare", 1) as advance:
        called, worth = places(subjects), worth_of(subjects)
        advance(1)
    if csv is not None:
        paper.write_csv(Path(csv), subjects, worth, called)
    if latex is not None:
        paper.write_latex(Path(latex), subjects, called)
    path = Path(out) if out is not None else subjects[0].run.folder / REPORT_FILE
    with shown.stage("draw", 1) as advance:
        write_text(path, page.render(gather(subjects, worth, called, audio=audio, umap=umap)))
        advance(1)
    return path
