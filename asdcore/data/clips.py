"""Makes and checks the clip index: one row for each clip, with its names and audio facts.

The ground truth is another table. The two are never joined outside ``asdcore.evidence``: the index has no label, and
its domain is null for every test clip, even if a development file name spells both.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from asdcore.data.audio import AudioFacts, inspect_audio
from asdcore.data.recording_columns import SAID_OF_TRAIN, recording_problems, said_of_train
from asdcore.errors import DataError, DatasetError
from asdcore.store.tables import AUDIO_FACTS, CELL, CLIP_INDEX

NAMED = ("clip", "machine", "section", "split", "domain", "attributes")


_DECODED: ContextVar[Container[str]] = ContextVar("decoded", default=frozenset())


@contextmanager
def decoded_before(digests: Container[str]) -> Iterator[None]:
    """Let :func:`index_clips` trust, inside the block, that files with these digests decode: the store has features.

    A dataset reader does not see the store, so this bypasses it.
    """
    token = _DECODED.set(digests)
    try:
        yield
    finally:
        _DECODED.reset(token)


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


_RESTS: ContextVar[dict[str, int] | None] = ContextVar("rests", default=None)


@contextmanager
def noticing_rests() -> Iterator[dict[str, int]]:
    """Let :func:`index_clips` note, inside the block, the bytes of wav files after their last whole sample, by clip."""
    rests: dict[str, int] = {}
    token = _RESTS.set(rests)
    try:
        yield rests
    finally:
        _RESTS.reset(token)


def index_clips(
    root: Path,
    entries: Iterable[Mapping[str, Any]],
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
    entries : iterable of mapping
        One mapping for each file: ``clip`` (relative POSIX path), ``machine``, ``section``, ``split`` ("train" or
        "test"), ``domain`` ("source" or "target"; that of a test clip is dropped) and ``attributes`` (or None).
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
        ``sample_rate`` (Hz), ``n_samples`` and ``sha256`` of each file.

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
    rows: list[dict[str, Any]] = [{name: entry.get(name) for name in (*NAMED, *SAID_OF_TRAIN)} for entry in entries]
    misplaced = recording_problems(rows)
    for row in rows:
        if row["split"] == "test":
            row["domain"] = None
        row |= said_of_train(row)
    facts, unreadable = _inspect(root, [row["clip"] for row in rows])
    index = pl.DataFrame(rows, schema={**dict.fromkeys(NAMED, pl.String), **SAID_OF_TRAIN})
    audio = pl.DataFrame([_fact_row(of_clip) for of_clip in facts], schema=AUDIO_FACTS)
    index = index.hstack(audio).select(list(CLIP_INDEX.columns)).sort("clip")
    problems = [
        *problems,
        *unreadable,
        *misplaced,
        *_word_problems(index),
        *(() if names_repeat else _name_problems(index)),
        *_channel_problems(index, channels),
        *(_cell_problems(index) if _LOOKED_AT.get() is None else ()),
    ]
    if problems:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise DatasetError(f"{root}: {count} in this dataset.", problems, index)
    return CLIP_INDEX.check(index)


def completed(index: pl.DataFrame) -> pl.DataFrame:
    """Return the clip index of a reader, with null ``order`` and ``recording`` if the reader gives neither.

    Raises DatasetError if these columns hold invalid values; a reader that uses :func:`index_clips` has heard of them.
    """
    index = _widened(index)
    if set(NAMED) <= set(index.columns):
        if problems := recording_problems(index.to_dicts()):
            raise DatasetError("The clip index has invalid values.", problems, index)
        given = [said_of_train(row) for row in index.select("split", *SAID_OF_TRAIN).to_dicts()]
        index = index.with_columns(pl.DataFrame(given, schema=SAID_OF_TRAIN))
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


def _inspect(root: Path, clips: list[str]) -> tuple[list[AudioFacts | None], list[str]]:
    """Read all files, several at once; return facts (None if unreadable) and problems."""
    decoded, before = _DECODED.get(), _LOOKED_AT.get()

    def look(clip: str) -> AudioFacts | str | None:
        try:
            return inspect_audio(root / clip, decoded)
        except DataError as error:
            return f"{clip}{str(error).removeprefix(PurePosixPath(clip).name)}"

    if before is not None:
        looked = [_remembered(clip, before.get(clip)) for clip in clips]
    else:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            looked = list(threads.map(look, clips))
    if (rests := _RESTS.get()) is not None:
        read = zip(clips, looked, strict=True)
        rests.update({clip: facts.rest for clip, facts in read if isinstance(facts, AudioFacts) and facts.rest})
    return (
        [outcome if isinstance(outcome, AudioFacts) else None for outcome in looked],
        [outcome for outcome in looked if isinstance(outcome, str)],
    )


def _remembered(clip: str, outcome: AudioFacts | str | None) -> AudioFacts | str | None:
    return f"{clip}{outcome.removeprefix(PurePosixPath(clip).name)}" if isinstance(outcome, str) else outcome


def _fact_row(facts: AudioFacts | None) -> dict[str, Any]:
    return {name: getattr(facts, name, None) for name in AUDIO_FACTS}


def _word_problems(index: pl.DataFrame) -> list[str]:
    """Find clips with an unknown split, and train clips with an unknown domain."""
    problems = []
    for clip, split, domain in index.select("clip", "split", "domain").rows():
        if split not in ("train", "test"):
            problems.append(f"{clip}: its split is {split!r}, it must be 'train' or 'test'")
        elif split == "train" and domain not in ("source", "target"):
            problems.append(f"{clip}: a train clip whose domain is {domain!r}, it must be 'source' or 'target'")
    return problems


def _name_problems(index: pl.DataFrame) -> list[str]:
    """Find clips that share a name: labels and scores are matched by name, so it must be unique."""
    names = Counter(
        (machine, split, PurePosixPath(clip).stem)
        for clip, machine, split in index.select("clip", "machine", "split").rows()
    )
    problems = []
    for clip, machine, split in index.select("clip", "machine", "split").rows():
        if names[machine, split, PurePosixPath(clip).stem] > 1:
            problems.append(f"{clip}: another {split} clip of {machine} has the same name")
    return problems


def _channel_problems(index: pl.DataFrame, channels: int | None) -> list[str]:
    """Find clips whose channel count or sample rate is not that of their machine (or of the task)."""
    problems = []
    for (machine,), clips in index.drop_nulls("channels").group_by("machine", maintain_order=True):
        usual, rate = _usual(clips["channels"]), _usual(clips["sample_rate"])
        if channels and (clips["channels"] == usual).all() and usual != channels:
            problems.append(f"{machine}: all {len(clips)} clips have {_plural(usual)}, this task has {channels}")
        else:
            wanted = channels or usual
            why = "this task has" if channels else f"the other clips of {machine} have"
            for clip, n in clips.filter(pl.col("channels") != wanted).select("clip", "channels").rows():
                problems.append(f"{clip}: {_plural(n)}, {why} {wanted}")
        for clip, hz in clips.filter(pl.col("sample_rate") != rate).select("clip", "sample_rate").rows():
            problems.append(f"{clip}: {hz} Hz, the other clips of {machine} have {rate} Hz")
    return problems


def _plural(channels: int) -> str:
    return f"{channels} channel{'s' * (channels > 1)}"


def _usual(values: pl.Series) -> int:
    """Return the most frequent value, the smallest of equals."""
    return int(values.value_counts().sort("count", values.name, descending=[True, False])[values.name][0])


def _cell_problems(index: pl.DataFrame) -> list[str]:
    """Find machines and sections that have test clips but nothing to learn normal sound from."""
    splits = index.group_by(CELL, maintain_order=True).agg(pl.col("split").unique())
    return [
        f"{machine} section {section}: no train clips, so there is no normal sound to compare its test clips with"
        for machine, section, present in splits.rows()
        if "train" not in present
    ]
