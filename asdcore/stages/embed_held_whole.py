"""Notes which long recordings are held in memory as a whole, since a view or an encoder cannot read in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from asdcore.compute.long_clips import in_blocks
from asdcore.stages.embed_jobs import EmbedJob

LARGE = 1 << 28
"""Bytes of samples from which a recording is large: 70 minutes of one channel at 16 kHz."""


def notes(jobs: Iterable[EmbedJob], clips: pl.DataFrame) -> list[str]:
    """Return a line for every view and encoder that will be given a large recording as a whole.

    jobs : what is left to embed. clips : the clip index.
    """
    sizes = clips.select("sha256", size=4 * pl.col("n_samples") * pl.col("channels")).filter(pl.col("size") >= LARGE)
    large: Mapping[str, int] = dict(sizes.rows())
    held: dict[tuple[str, str], set[str]] = {}
    for job in jobs if large else ():
        if heard := {sha256 for _, sha256 in job.clips} & large.keys():
            for request in job.requests:
                if not in_blocks(request, job.device):
                    held.setdefault((request.view, request.encoder), set()).update(heard)
    return [_line(*names, [large[sha256] for sha256 in heard]) for names, heard in held.items()]


def _line(view: str, encoder: str, sizes: list[int]) -> str:
    recordings = f"{len(sizes)} long recording{'s' * (len(sizes) > 1)}"
    return (
        f"view {view!r} with encoder {encoder!r} holds each of {recordings} in memory as a whole: up to "
        f"{max(sizes) / 1e9:.1f} GB of samples, and several times that while it is computed. If that is too much, make "
        "clips of it (pump.wav#t=0-10), or choose a view and an encoder that read in blocks: 'Your own recordings' in "
        "the documents names them."
    )
