"""Known faults must be recordings that can be compared with the train clips of their machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from asdcore.data.clip_index.recording_kind import kind_of
from asdcore.data.recordings.audio import AudioFacts
from asdcore.errors import DataError
from asdcore.store.tables import CELL


def check_comparable(faults: Sequence[tuple[Path, tuple[str, str], AudioFacts]], clips: pl.DataFrame) -> None:
    """Raise DataError for faults that differ from the train clips for a reason that has nothing to do with the machine.

    A silent recording, or one at another rate, is far from every train clip: any branch hears it, and would be given
    weight for it.

    faults : for each its file, machine and section, and what was read of it. clips : the clip index of the run.
    """
    train = clips.filter(split="train").partition_by(CELL, as_dict=True)
    kinds = {cell: kind_of(f"{cell[0]} section {cell[1]}", rows) for cell, rows in train.items()}
    problems = []
    for path, cell, facts in faults:
        why = kinds[cell].misfit(facts.channels, facts.sample_rate, facts.unit)
        if facts.still == (1 << facts.channels) - 1:
            why = "the recording is silent"
        problems += [f"{path}: {why}"] * bool(why)
    if problems:
        raise DataError("\n  - ".join(["These known faults cannot be compared with the train clips:", *problems]))
