"""Finds what is wrong with a clip index: words, names, channels, and machines without normal sound.

Each check asks about all clips at once, and looks at single ones only if there is something to say.
"""

from __future__ import annotations

import polars as pl

from asdcore.store.tables import CELL

LONGEST = 200
"""Bytes of a machine and its section: a score file has 45 more in its name, and a name of a file no more than 255."""

NAME = pl.col("clip").str.replace(r"^.*/", "").str.replace(r"(.)\.[^.]+$", "$1")
"""The name of a clip without its folders and suffix."""


def word_problems(index: pl.DataFrame) -> list[str]:
    """Find clips with an unknown split, and train clips with an unknown domain."""
    strange = ~pl.col("split").is_in(["train", "test"]).fill_null(False)
    nowhere = (pl.col("split") == "train") & ~pl.col("domain").is_in(["source", "target"]).fill_null(False)
    return [
        f"{clip}: a train clip whose domain is {domain!r}, it must be 'source' or 'target'"
        if split == "train"
        else f"{clip}: its split is {split!r}, it must be 'train' or 'test'"
        for clip, split, domain in index.filter(strange | nowhere).select("clip", "split", "domain").rows()
    ]


def cell_name_problems(index: pl.DataFrame) -> list[str]:
    """Find machines and sections whose names cannot stand in names of files, or on a line of a terminal or a table."""
    problems = []
    for machine, section in index.select("machine", "section").drop_nulls().unique().sort("machine", "section").rows():
        length = len(f"{machine}{section}".encode(errors="surrogateescape"))
        if not f"{machine}{section}".isprintable():
            problems.append(
                f"{machine!a} section {section!a}: no line shows such a name as it is; use letters and digits"
            )
        elif length > LONGEST:
            problems.append(
                f"{machine} section {section}: these names have {length:,} bytes; names of files are made of them, so "
                f"that {LONGEST} are allowed"
            )
    return problems


def name_problems(index: pl.DataFrame) -> list[str]:
    """Find clips that share a name: labels and scores are matched by name, so it must be unique."""
    alike = index.filter(index.select("machine", "split", name=NAME).is_duplicated())
    return [
        f"{clip}: another {split} clip of {machine} has the same name"
        for clip, machine, split in alike.select("clip", "machine", "split").rows()
    ]


def channel_problems(index: pl.DataFrame, channels: int | None) -> list[str]:
    """Find clips whose channel count or sample rate is not that of their machine (or of the task)."""
    heard, problems = index.drop_nulls("channels"), []
    strange = pl.any_horizontal(pl.col("channels", "sample_rate").n_unique().over("machine") > 1)
    if channels:
        strange |= (pl.col("channels") != channels).any().over("machine")
    for (machine,), clips in heard.filter(strange).group_by("machine", maintain_order=True):
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


def unit_problems(units: pl.DataFrame) -> list[str]:
    """Find clips whose samples are in another unit than those of their machine.

    units : clip, machine, channels (null of an unreadable clip) and unit ("" if it is unknown).
    """
    problems = []
    heard = units.drop_nulls("channels")
    for (machine,), clips in heard.filter(pl.col("unit").n_unique().over("machine") > 1).group_by(
        "machine", maintain_order=True
    ):
        counted = clips["unit"].value_counts().sort("count", "unit", descending=[True, False])
        usual = str(counted["unit"][0])
        problems += [
            f"{clip}: its unit is {unit or 'unknown'}, that of the other clips of {machine} is {usual or 'unknown'}; "
            "the column unit of clips.csv gives it to files that do not say it"
            for clip, unit in clips.filter(pl.col("unit") != usual).select("clip", "unit").rows()
        ]
    return problems


def cell_problems(index: pl.DataFrame) -> list[str]:
    """Find machines and sections that have test clips but nothing to learn normal sound from."""
    splits = index.group_by(CELL, maintain_order=True).agg((pl.col("split") == "train").any().alias("learns"))
    return [
        f"{machine} section {section}: no train clips, so there is no normal sound to compare its test clips with"
        for machine, section in splits.filter(~pl.col("learns").fill_null(False)).select(CELL).rows()
    ]


def _plural(channels: int) -> str:
    return f"{channels} channel{'s' * (channels > 1)}"


def _usual(values: pl.Series) -> int:
    """Return the most frequent value, the smallest of equals."""
    return int(values.value_counts().sort("count", values.name, descending=[True, False])[values.name][0])
