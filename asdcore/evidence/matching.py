"""Brings an official ground truth and the clips of a run together: by name, never by position."""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from asdcore.errors import EvaluationError
from asdcore.evidence.files import differences
from asdcore.store.tables import GROUND_TRUTH

WHERE = ["machine", "section"]


def match_truth(truth: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Return the ground truth table of a run's test clips.

    truth : what :func:`asdcore.evidence.files.read_truth` returns. clips : a clip index. A clip is found under its
    name in the truth or under its labelled one, whatever its file format. Raises EvaluationError, for all machines at
    once, where a test clip has no truth or the truth of one of its sections names a clip that the run has not.
    """
    tested = clips.filter(pl.col("split") == "test").select(
        "clip", *WHERE, name=pl.col("clip").map_elements(_stem, pl.String)
    )
    names = truth.select(*WHERE, "label", "domain", "clip", name=pl.col("clip").map_elements(_stem, pl.String))
    aliases = truth.drop_nulls("alias").select(
        *WHERE, "label", "domain", "clip", name=pl.col("alias").map_elements(_stem, pl.String)
    )
    known = pl.concat([names, aliases]).unique([*WHERE, "name"], keep="first", maintain_order=True)
    matched = tested.join(known.rename({"clip": "known_as"}), on=[*WHERE, "name"], how="left", validate="1:1")
    problems = []
    for (machine, section), cell in matched.group_by(WHERE, maintain_order=True):
        there = truth.filter((pl.col("machine") == machine) & (pl.col("section") == section))
        lost = cell.filter(pl.col("label").is_null())["name"].to_list()
        wanted = set(there["clip"]) - set(cell["known_as"].drop_nulls())
        for line in differences([*lost], [*wanted], "without ground truth"):
            problems.append(f"{machine} section {section}: {line}")
    if problems:
        raise EvaluationError(
            "\n  - ".join(
                ["the ground truth and the run's test clips differ ('missing': the run has no such clip):", *problems]
            )
        )
    return GROUND_TRUTH.check(matched.select("clip", pl.col("label").cast(pl.Int8), "domain"))


def _stem(name: str) -> str:
    """A clip's name without folder and audio suffix; dots within attributes stay."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in (".wav", ".flac") else path.name
