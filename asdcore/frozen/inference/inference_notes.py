"""Notes on an inference: what its recordings look like, and what of it no manifest vouches for."""

from __future__ import annotations

import polars as pl

from asdcore.data.clip_index.levels import remarks_on_levels
from asdcore.data.clip_index.noticed import Noticed
from asdcore.frozen.inference.evaluation_recordings import of
from asdcore.pipeline import Work
from asdcore.runs.folder import Run
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


def beside_frozen(clips: pl.DataFrame, frozen: Run, noticed: Noticed, year: int) -> list[str]:
    """Say what sets the clips of an inference apart from those of the frozen run, or makes them look the same.

    That is: these look like development recordings, machines were not frozen, clips have another level.
    """
    other_levels = remarks_on_levels(clips, noticed.levels, frozen.about.get("levels", []))
    return [*development_notes(clips, frozen.clips, year), *new_cells(clips, frozen.clips), *other_levels]


def new_cells(clips: pl.DataFrame, frozen: pl.DataFrame) -> list[str]:
    """Say which machines and sections were not frozen."""
    new = of(clips, "train").join(frozen, on=CELL, how="anti").unique(CELL).sort(CELL)
    where = [f"{machine} section {section}" for machine, section in new.select(CELL).rows()]
    return [f"{cell} was not frozen: its scorers are fitted on train clips that no manifest pins." for cell in where]


def device_notes(work: Work) -> list[str]:
    """Note what is not verified: off the CPU clips run in batches, which may change the last bit."""
    unproven = f"features were computed on {work.device}: equality with the frozen features was not verified."
    return [*notes.device_notes(work.plan, work.device), *([unproven] if work.device else [])]
