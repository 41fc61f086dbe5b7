"""Writes a table of the recordings below a folder, for a person to fill in what their names do not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from asdcore.basics.paths import is_recording, walked
from asdcore.basics.recording_parts import part_of
from asdcore.basics.table_files import write_csv, write_parquet
from asdcore.errors import DataError
from asdcore.store.disk.atomic import atomic_path

KNOWN = ("machine", "split", "section", "domain", "label", "attributes")
PART = ("start", "end", "channel", "rate", "unit")
"""The columns that say which part of its file a clip is, and what a logger's file does not say."""

TABLE = "clips.csv"
"""A table of clips, not of samples."""

NEIGHBOURS = ("recording", "order")
"""The columns that say which train clips were recorded side by side."""

COLUMNS = ("path", *KNOWN, *PART, *NEIGHBOURS)

ENDINGS = (".csv", ".parquet")


def write_index(
    root: Path,
    file: Path,
    clips: pl.DataFrame | None,
    truth: pl.DataFrame | None,
    recordings: Mapping[str, str] | None = None,
) -> int:
    """Write one row for each recording below a folder; what is unknown stays empty.

    Parameters
    ----------
    root : pathlib.Path
        The folder of the recordings.
    file : pathlib.Path
        A new .csv or .parquet file.
    clips : polars.DataFrame, optional
        The clip index of what a dataset reader understood.
    truth : polars.DataFrame, optional
        clip, label and domain of the test clips whose label is known.
    recordings : mapping of str to str, optional
        {test clip: the recording that it was cut from}.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    DataError
        If there is no recording, the file exists, or its ending is another.
    """
    if file.suffix not in ENDINGS:
        raise DataError(f"{file}: a table of clips ends in {' or '.join(ENDINGS)}, such as {root / 'clips.csv'}.")
    if file.exists():
        raise DataError(f"{file} exists, and somebody may have filled it in. Name a new file, or remove it first.")
    paths = sorted(_recordings(root))
    if not paths:
        raise DataError(f"{root} holds no recording that can be read, so there is nothing to list.")
    described = clips if clips is not None else pl.DataFrame(schema=dict.fromkeys(("clip", *KNOWN), pl.String))
    described = described.select("clip", *(name for name in (*KNOWN, *NEIGHBOURS) if name in described.columns))
    if truth is not None:
        answers = truth.select("clip", "label", told=pl.col("domain"))
        described = (
            described.join(answers, on="clip", how="left")
            .with_columns(domain=pl.coalesce("domain", "told"))
            .drop("told")
        )
    if recordings:
        named = pl.col("clip").replace_strict(recordings, default=None, return_dtype=pl.String)
        recording = pl.col("recording") if "recording" in described.columns else pl.lit(None, pl.String)
        described = described.with_columns(recording=pl.coalesce(recording, named))
    parts = [_part(name) for name in described["clip"].to_list()]
    described = described.drop("clip").hstack(
        pl.DataFrame(parts, schema=dict.fromkeys(("path", *PART), pl.String), orient="row")
    )
    rows = pl.DataFrame({"path": paths}, schema={"path": pl.String}).join(described, on="path", how="left")
    lacking = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in rows.columns]
    table = rows.with_columns(lacking).select(COLUMNS)
    with atomic_path(file) as temporary:
        (write_csv if file.suffix == ".csv" else write_parquet)(table, temporary)
    return len(rows)


def _part(clip: str) -> tuple[str | None, ...]:
    """Return the path of a clip and the values of its columns :data:`PART`."""
    part = part_of(clip)
    return part.file, part.start, part.end, part.channel, None if part.rate is None else str(part.rate), part.unit


def _recordings(root: Path) -> list[str]:
    """Return the path below a folder of every recording; hidden ones are left out."""
    paths = []
    for folder, names in walked(root):
        sounds = (name for name in names if is_recording(name, named=name != TABLE))
        paths += [(Path(folder) / name).relative_to(root).as_posix() for name in sounds]
    return paths
