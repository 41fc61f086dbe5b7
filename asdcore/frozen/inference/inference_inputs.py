"""Leave out of a verification what an inference does not need: the frozen test recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from asdcore.errors import AsdcoreError
from asdcore.frozen.verifying.differences import EXTRA, Difference, Verification
from asdcore.runs.folder import load_run

AUDIO = "audio"


def needed_by_inference(verified: Verification, run: Path) -> Verification:
    """Return a verification without the differences that no result of an inference depends on, and a note on them.

    run : the frozen run folder. Left out are test recordings that are missing, changed or new in the frozen folder: an
    inference reads neither them nor their scores. If the run's clip index is not as frozen, everything counts.
    """
    unread = set(_unread(verified, run))
    if not unread:
        return verified
    note = (
        f"{len(unread)} test recordings of the frozen run have changed or are missing. An inference does not need them."
    )
    rest = [difference for difference in verified.differences if difference not in unread]
    return replace(verified, differences=rest, notes=[*verified.notes, note])


def _unread(verified: Verification, run: Path) -> Iterator[Difference]:
    differing = {difference.artifact for difference in verified.differences}
    if differing & {"run/clips.parquet", "run/run.json"}:
        return
    try:
        clips = load_run(run).clips
    except AsdcoreError:
        return
    test, train = (clips.filter(pl.col("split") == split)["clip"] for split in ("test", "train"))
    frozen_tests = {f"data/{clip}" for clip in test}
    folders = {_folder(clip) for clip in frozen_tests} - {_folder(f"data/{clip}") for clip in train}
    for difference in verified.differences:
        new = difference.kind == EXTRA and _folder(difference.artifact) in folders
        if difference.group == AUDIO and (difference.artifact in frozen_tests or new):
            yield difference


def _folder(artifact: str) -> str:
    return PurePosixPath(artifact).parent.as_posix()
