"""Picks a few train clips that differ: spread over recordings, or over the order of recording.

Neighbours in a recording are near-duplicates, so five of them tell little more than one.
"""

from __future__ import annotations

import polars as pl

CELL = ("machine", "section", "domain")
DIGEST = ("sha256", "clip")


def spread(train: pl.DataFrame, clips: int) -> pl.DataFrame:
    """Pick train clips of every machine, section and domain, as far apart as the clip index can tell.

    The clips of a cell are laid out recording by recording, each in its order of recording. They are cut into ``clips``
    stretches of equal length, and the clip in the middle of each stretch is picked. A long recording would then take
    several places while a short one has none. So if recordings are known, each gives one clip before any gives two.
    If neither order nor recording is known, audio digests decide: their order is as good as random.

    Parameters
    ----------
    train : polars.DataFrame
        Train clips, with the columns of the clip index. ``order`` and ``recording`` may be null.
    clips : int
        How many clips to pick in each cell, at least 1. A smaller cell gives all that it has.

    Returns
    -------
    polars.DataFrame
        The rows picked, sorted by machine, section, domain and audio digest.

    Examples
    --------
    >>> cell = {"machine": "fan", "section": "00", "domain": "source", "recording": None}
    >>> rows = [{**cell, "clip": f"{i}.wav", "order": float(i), "sha256": f"{i:02d}"} for i in range(20)]
    >>> index = pl.DataFrame(rows)
    >>> spread(index, 4)["order"].to_list()
    [2.0, 7.0, 12.0, 17.0]

    """
    cells = train.sort(*CELL, *DIGEST).group_by(CELL, maintain_order=True)
    picked = [_of_cell(cell, min(clips, len(cell))) for _, cell in cells]
    return pl.concat(picked) if picked else train


def _of_cell(cell: pl.DataFrame, clips: int) -> pl.DataFrame:
    """Pick clips of one machine, section and domain, whose rows come in the order of their digests."""
    if cell["recording"].null_count() or cell["recording"].n_unique() == 1:
        laid_out = cell if cell["order"].null_count() else cell.sort("order", maintain_order=True)
        return _evenly(laid_out, clips).sort(DIGEST)
    recordings = _by_time(cell)
    share, more = divmod(clips, len(recordings))
    wanted = [share] * len(recordings)
    for place in _middles(len(recordings), more):
        wanted[place] += 1
    picked = pl.concat([_evenly(own, min(n, len(own))) for own, n in zip(recordings, wanted, strict=True)])
    rest = cell.join(picked, on="clip", how="anti", maintain_order="left")
    lacking = clips - len(picked)  # short recordings had fewer clips than their share
    return pl.concat([picked, _of_cell(rest, lacking)] if lacking else [picked]).sort(DIGEST)


def _by_time(cell: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the clips of each recording in order, the recordings by their first clips, or by name."""
    ordered = cell.sort("recording", "order", *DIGEST)
    parts = [part for _, part in ordered.group_by("recording", maintain_order=True)]
    if cell["order"].null_count():
        return parts
    return sorted(parts, key=lambda part: float(part["order"][0]))


def _evenly(laid_out: pl.DataFrame, clips: int) -> pl.DataFrame:
    return laid_out[_middles(len(laid_out), clips)]


def _middles(length: int, count: int) -> list[int]:
    """Cut ``length`` places into ``count`` stretches and return the place in the middle of each."""
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]
