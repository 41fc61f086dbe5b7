"""The digests of the sound of a run's recordings, by which a copy in another format is recognized.

A run keeps them in its clip index. There that of a window says which recording it is cut from, and where; here the
window's own samples are digested, so that a file with the same stretch is recognized, too. The digests lie in the
run's store beside the digests of the files (:mod:`asdcore.data.clip_index.remembered_facts`). Recordings that are not
there, or have changed since, are read; those that are gone have none. Windows have a table of their own: in that of
recordings they would take the place of these, which the next run would read again.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.data.clip_index.remembered_facts import Memory, read_or_remembered, remembering
from asdcore.data.clip_index.same_sound import SOUND
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError
from asdcore.runs.folder import Run
from asdcore.store.cache import Store

WINDOWS = "windows"
"""The folder of the tables of windows, in that of the tables of recordings."""


def with_sounds(run: Run, clips: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a run's clip index with the column ``sound``: null if a recording is not as the run had it."""
    in_windows = run.about["portfolio"].get("windows") is not None
    if SOUND in clips.columns and not in_windows:
        return clips
    root, kept = Path(run.about["data"]), Store(Path(run.about["store"])).recordings
    memory = Memory(kept / WINDOWS if in_windows else kept)

    def look(clip: str) -> AudioFacts | str:
        try:
            return inspect_audio(root / clip)
        except DataError as error:
            return str(error)

    with remembering(memory):
        facts, _ = read_or_remembered(root, clips["clip"].to_list(), look)
    own = (facts["sha256"] == clips["sha256"]).fill_null(False)
    sound = pl.select(pl.when(own & (facts["sound"] != "")).then(facts["sound"])).to_series()
    return clips.with_columns(sound.alias(SOUND))
