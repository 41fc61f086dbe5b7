"""Makes and checks the clip index: one row for each clip, with its names and audio facts.

The ground truth is another table. The two are never joined outside ``asdcore.evidence``: the index has no label, and
its domain is null for every test clip, even if a development file name spells both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from asdcore.data.clip_index.index_problems import (
    cell_name_problems,
    cell_problems,
    channel_problems,
    name_problems,
    unit_problems,
    word_problems,
)
from asdcore.data.clip_index.noticed import notice
from asdcore.data.clip_index.recording_columns import SAID_OF_TRAIN, kept_of_train
from asdcore.data.clip_index.remembered_facts import facts_table, read_or_remembered
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError, DatasetError
from asdcore.store.tables import CELL, CLIP_INDEX

NAMED = ("clip", "machine", "section", "split", "domain", "attributes")


_LOOKED_AT: ContextVar[Mapping[str, AudioFacts | str] | None] = ContextVar("looked_at", default=None)


@contextmanager
def looked_at(outcomes: Mapping[str, AudioFacts | str]) -> Iterator[None]:
    """Let :func:`index_clips` read no audio inside the block, and take each clip's facts or fault from ``outcomes``.

    Inference reads each evaluation clip once, when it is scored. Until then the clip is missing from ``outcomes``, and
    its facts are unknown (null). A section without train clips is allowed: its normal sound was frozen.
    """
    token = _LOOKED_AT.set(outcomes)
    try:
        yield
    finally:
        _LOOKED_AT.reset(token)


def facts_are_given() -> bool:
    """Whether this is inside :func:`looked_at`, where no audio is read to list clips."""
    return _LOOKED_AT.get() is not None


def index_clips(
    root: Path,
    entries: Iterable[Mapping[str, Any]] | pl.DataFrame,
    *,
    channels: int | None = None,
    problems: Iterable[str] = (),
    names_repeat: bool = False,
) -> pl.DataFrame:
    """Make the clip index of ``root`` from parsed names, reading every audio file once.

    Parameters
    ----------
    root : pathlib.Path
        The folder that the clips lie in.
    entries : iterable of mapping, or polars.DataFrame
        One mapping, or one row, for each file: ``clip`` (relative POSIX path), ``machine``, ``section``, ``split``
        ("train" or "test"), ``domain`` ("source" or "target"; that of a test clip is dropped) and ``attributes`` (or
        None).
        Optional, and dropped for a test clip: ``order``, a number that sorts the train clips of one machine, section
        and domain as they were recorded (an index or a time), and ``recording``, the name of the recording that a clip
        was cut from.
    channels : int, optional
        The channel count every clip must have; None accepts any that is the same within a machine.
    problems : iterable of str
        Problems that the reader has found already; they are reported together with those found here.
    names_repeat : bool
        Whether two clips of one machine and split may have the same file name in different folders. A challenge's
        score files and truth lists name a clip by that alone, so by default this is a problem.

    Returns
    -------
    polars.DataFrame
        The clip index, a row for each clip, sorted by clip: the keys of the entries, and ``channels``,
        ``sample_rate`` (Hz), ``n_samples`` and ``sha256`` of each file; ``unit`` of its samples if any file says one.

    Raises
    ------
    DatasetError
        If anything is wrong; the message lists every problem, each line naming its file.

    Examples
    --------
    >>> from pathlib import Path
    >>> root = Path("data")
    >>> paths = sorted(path.relative_to(root).as_posix() for path in root.glob("SynFan/*/*.wav"))
    >>> entries = [
    ...     {
    ...         "clip": path,
    ...         "machine": "SynFan",
    ...         "section": "00",
    ...         "split": path.split("/")[1],
    ...         "domain": "target" if "_target_" in path else "source",
    ...     }
    ...     for path in paths
    ... ]
    >>> index = asdcore.index_clips(root, entries, channels=2)
    >>> index["split"].value_counts(sort=True).rows()
    [('train', 50), ('test', 48)]
    >>> index.filter(split="test")["domain"].unique().to_list()
    [None]

    """
    given = _columns(entries)
    audio, unreadable = _inspect(root, list(given["clip"]))
    kept, misplaced = kept_of_train(given)
    index = pl.DataFrame({name: given[name] for name in NAMED}, schema=dict.fromkeys(NAMED, pl.String))
    index = index.with_columns(domain=pl.when(pl.col("split") == "test").then(None).otherwise(pl.col("domain")))
    index = index.hstack(kept).hstack(audio).sort("clip")
    units = index.select("clip", "machine", "channels", "unit")
    index = index.with_columns(unit=pl.when(pl.col("unit") != "").then(pl.col("unit")))
    index = index.select([*CLIP_INDEX.columns, "unit"])
    problems = [
        *problems,
        *unreadable,
        *misplaced,
        *word_problems(index),
        *cell_name_problems(index),
        *(() if names_repeat else name_problems(index)),
        *channel_problems(index, channels),
        *unit_problems(units),
        *(() if facts_are_given() else cell_problems(index)),
    ]
    if problems:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise DatasetError(f"{root}: {count} in this dataset.", problems, index)
    return CLIP_INDEX.check(index)


def _columns(entries: Iterable[Mapping[str, Any]] | pl.DataFrame) -> Mapping[str, list[Any]] | pl.DataFrame:
    names = (*NAMED, *SAID_OF_TRAIN)
    if isinstance(entries, pl.DataFrame):
        return entries.select(pl.col(name) if name in entries.columns else pl.lit(None).alias(name) for name in names)
    rows = list(entries)
    return {name: [row.get(name) for row in rows] for name in names}


def completed(index: pl.DataFrame) -> pl.DataFrame:
    """Return the clip index of a reader, with null ``order`` and ``recording`` if the reader gives neither.

    Raises DatasetError if these columns hold invalid values; a reader that uses :func:`index_clips` has heard of them.
    """
    index = _widened(index)
    if set(NAMED) <= set(index.columns):
        kept, problems = kept_of_train(index)
        if problems:
            raise DatasetError("The clip index has invalid values.", problems, index)
        index = index.with_columns(kept)
    return CLIP_INDEX.check(index)


def _widened(index: pl.DataFrame) -> pl.DataFrame:
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in SAID_OF_TRAIN.items() if name not in index.columns]
    return index.with_columns(lacking)


def count_clips(index: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one row for each machine, section and split: its clips, and how many are marked with each domain."""
    counted = index.group_by("machine", "section", "split").agg(
        clips=pl.len(),
        source=(pl.col("domain") == "source").sum().fill_null(0),
        target=(pl.col("domain") == "target").sum().fill_null(0),
    )
    rows: list[dict[str, Any]] = counted.sort("machine", "section", "split", descending=[False, False, True]).to_dicts()
    return rows


def count_recordings(index: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one row for each machine and section: how many train clips have an order, and how many recordings.

    Both are 0 if the dataset names none.
    """
    train = _widened(index).filter(pl.col("split") == "train")
    counted = train.group_by(CELL).agg(
        train=pl.len(), ordered=pl.col("order").count(), recordings=pl.col("recording").drop_nulls().n_unique()
    )
    rows: list[dict[str, Any]] = counted.sort(CELL).to_dicts()
    return rows


def _inspect(root: Path, clips: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Return the audio facts of all clips, a row each (null if unreadable), and what is wrong."""
    before = _LOOKED_AT.get()

    def look(clip: str) -> AudioFacts | str:
        try:
            return inspect_audio(root / clip)
        except DataError as error:
            return f"{clip}{str(error).removeprefix(PurePosixPath(clip).name)}"

    if before is None:
        facts, problems = read_or_remembered(root, clips, look)
    else:
        looked = [_as_said(clip, before.get(clip)) for clip in clips]
        facts, problems = facts_table(looked), [outcome for outcome in looked if isinstance(outcome, str)]
    notice(clips, facts)
    return facts.drop("rest", "still", "sound", "level"), problems


def _as_said(clip: str, outcome: AudioFacts | str | None) -> AudioFacts | str | None:
    return f"{clip}{outcome.removeprefix(PurePosixPath(clip).name)}" if isinstance(outcome, str) else outcome
