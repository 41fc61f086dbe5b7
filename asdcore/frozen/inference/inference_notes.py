"""Notes on an inference: what its recordings look like, and what of it no manifest vouches for."""

from __future__ import annotations

import polars as pl

from asdcore.frozen.inference.evaluation_recordings import of
from asdcore.pipeline import Work
from asdcore.stages.notes_on_data import notes
from asdcore.store.tables import CELL
from asdcore.submission.layout import expected_files, is_development


def development_notes(listed: pl.DataFrame, frozen: pl.DataFrame, year: int) -> list[str]:
    """Note if these look like development recordings, which may be the frozen ones."""
    test = of(listed, "test")
    again = test.join(of(frozen, "test"), on="clip", how="semi").height
    if not again and not is_development(expected_files(listed, year)):
        return []
    return [
        f"these look like development data: {again} of {test.height} test clips are named as test clips of "
        "the frozen run, or their names say normal or anomaly. Evaluation data belong here."
    ]


def new_cells(clips: pl.DataFrame, frozen: pl.DataFrame) -> list[str]:
    """Say which machines and sections were not frozen."""
    new = of(clips, "train").join(frozen, on=CELL, how="anti").unique(CELL).sort(CELL)
    where = [f"{machine} section {section}" for machine, section in new.select(CELL).rows()]
    return [f"{cell} was not frozen: its scorers are fitted on train clips that no manifest pins." for cell in where]


def device_notes(work: Work) -> list[str]:
    """Note what is not verified: off the CPU clips run in batches, which may change the last bit."""
    unproven = f"features were computed on {work.device}: equality with the frozen features was not verified."
    return [*notes.device_notes(work.plan, work.device), *([unproven] if work.device else [])]
