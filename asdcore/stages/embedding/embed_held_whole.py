"""Refuses, before any work, recordings too long for a view or an encoder that would hold them in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from asdcore.compute.encoding.long_clips import refused
from asdcore.compute.encoding.requests import Request
from asdcore.data.recordings.audio import HELD
from asdcore.errors import DataError
from asdcore.stages.embedding.embed_jobs import EmbedJob


class _Recording(NamedTuple):
    clip: str
    channels: int
    sample_rate: int
    n_samples: int


def check(jobs: Iterable[EmbedJob], clips: pl.DataFrame) -> None:
    """Raise DataError, naming the longest, if clips are too long for what is to hear them.

    jobs : what is left to embed. clips : the clip index.
    """
    waiting: dict[tuple[tuple[Request, ...], str | None], set[str]] = {}
    for job in jobs:
        waiting.setdefault((job.requests, job.device), set()).update(sha256 for _, sha256 in job.clips)
    for (requests, device), sha256s in waiting.items():
        extremes = _extremes(clips.filter(pl.col("sha256").is_in(list(sha256s))))
        for request in requests:
            for recording in extremes:
                # A trained encoder would be restored for this, which takes time.
                if request.trained is not None and 4 * recording.n_samples * recording.channels <= HELD:
                    continue
                if why := refused(request, device, recording):
                    raise DataError(f"{recording.clip} {why}")


def _extremes(clips: pl.DataFrame) -> list[_Recording]:
    """Return the longest of some clips, and the largest; none of none."""
    sizes = (pl.col("n_samples") / pl.col("sample_rate"), pl.col("n_samples") * pl.col("channels"))
    rows = [clips.sort(size, descending=True).select(_Recording._fields).head(1).rows() for size in sizes]
    return [_Recording(*row) for of_size in rows for row in of_size]
