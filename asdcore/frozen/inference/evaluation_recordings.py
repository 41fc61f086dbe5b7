"""Check evaluation recordings against the frozen ones: names, train clips, channels and sample rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.components.readers import ListsClips
from asdcore.data.clip_index.noticed import Noticed
from asdcore.data.clip_index.recording_kind import kind_of
from asdcore.data.clip_index.same_sound import SOUND, with_sounds
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError, DatasetError, by_recording
from asdcore.portfolio import Portfolio
from asdcore.store.tables import CELL
from asdcore.submission.layout import expected_files

SKIP = "--skip-unreadable"

KIND = ("channels", "sample_rate", "unit")
"""The columns that must be as of the train normals."""


def check_names(listed: pl.DataFrame, frozen: pl.DataFrame, root: Path, year: int) -> None:
    """Raise DataError for what names alone show: no test clips, no train clips, or two clips with one name.

    listed : the clips below ``root``. frozen : the frozen clip index.
    """
    test = of(listed, "test")
    if test.is_empty():
        raise DataError(f"{root} holds no test clips, so there is nothing to score. 'asdcore data index' lists it.")
    normals = pl.concat([clips.select(CELL) for clips in (of(listed, "train"), of(frozen, "train"))])
    if lost := test.join(normals, on=CELL, how="anti").select(CELL).unique().sort(CELL).rows():
        raise DataError(
            f"{', '.join(f'{machine} section {section}' for machine, section in lost)}: not frozen, and without train "
            f"clips below {root} to learn normal sound from. Add <machine>/train/, or take the test clips away."
        )
    expected_files(listed, year)


def train_facts(listed: pl.DataFrame, frozen: pl.DataFrame, root: Path, plan: Portfolio) -> dict[str, AudioFacts | str]:
    """Inspect the train clips of cells that have test clips: {clip: its facts, or what is wrong with it}.

    Raises DataError if a train clip belongs to a frozen machine and section but was not frozen with it, neither as this
    file nor as another of the same sound.
    """
    train = like_test(of(listed, "train"), listed)
    facts: dict[str, AudioFacts | str] = {}
    for clip in train["clip"]:
        try:
            facts[clip] = inspect_audio(root / clip)
        except DataError as error:
            facts[clip] = str(error)
    digests = [fact.sha256 if isinstance(fact := facts[clip], AudioFacts) else None for clip in train["clip"]]
    inspected = train.with_columns(sha256=pl.Series(digests, dtype=pl.String)).drop_nulls("sha256")
    if strangers := _strangers(inspected, of(frozen, "train"), root, plan):
        raise DataError(
            f"{len(strangers)} train clips below {root} belong to a frozen machine but were not frozen with it: "
            f"{', '.join(strangers[:3])}. A frozen machine takes no new train clips: take them away, or run and "
            "freeze anew."
        )
    return facts


def _strangers(train: pl.DataFrame, frozen: pl.DataFrame, root: Path, plan: Portfolio) -> list[str]:
    """Return the clips of frozen machines and sections that are no copies of train clips frozen with these."""
    others = train.join(frozen, on=CELL, how="semi").join(frozen, on=[*CELL, "sha256"], how="anti")
    if others.is_empty() or SOUND not in frozen.columns:
        return list(others["clip"])
    heard = with_sounds(others, root, in_windows=plan.windows is not None)
    return list(heard.join(frozen.drop_nulls(SOUND), on=[*CELL, SOUND], how="anti")["clip"])


def with_their_sounds(clips: pl.DataFrame, noticed: Noticed, root: Path, plan: Portfolio) -> pl.DataFrame:
    """Return clips of the evaluation with the digests of their sound, which tell of a test clip if it was a train clip.

    Whole ones were digested when they were read. Of windows that was done too, but as sounds of their own; here each is
    told by its recording, as that of a frozen clip is.
    """
    return noticed.with_sounds(clips) if plan.windows is None else with_sounds(clips, root, in_windows=True)


def check_alike(test: pl.DataFrame, normals: pl.DataFrame) -> None:
    """Raise DataError if test clips have another channel count, sample rate or unit than their train normals."""
    problems = []
    kinds = {cell: kind_of(f"{cell[0]} section {cell[1]}", rows) for cell, rows in _cells(normals)}
    for cell, rows in _cells(test):
        for (channels, rate, unit), alike in _with_unit(rows).group_by(KIND, maintain_order=True):
            if why := kinds[cell].misfit(channels, rate, unit or ""):
                problems += [f"{clip}: {why}" for clip in alike["clip"]]
    if problems:
        raise DataError("\n  - ".join(["These recordings cannot be scored:", *by_recording(problems)]))


def _with_unit(clips: pl.DataFrame) -> pl.DataFrame:
    return clips if "unit" in clips.columns else clips.with_columns(unit=pl.lit(None, pl.String))


def unreadable(facts: Mapping[str, AudioFacts | str], test: Collection[str], root: Path) -> dict[str, str]:
    """Return {test clip: why it is unreadable}; raises DataError if all of them are unreadable."""
    reasons = {clip: fact for clip in sorted(test) if isinstance(fact := facts.get(clip), str)}
    bad = {clip: f"{clip}: {fact.removeprefix(f'{Path(clip).name}: ')}" for clip, fact in reasons.items()}
    if bad and len(bad) == len(test):
        raise DataError(f"None of the {len(test)} test clips below {root} can be read. The first: {min(bad.values())}")
    return bad


def readable_clips(
    reader: ListsClips, root: Path, skipped: Collection[str], facts: Mapping[str, AudioFacts | str]
) -> pl.DataFrame:
    """Return the clip index of ``root`` without the skipped clips; any other problem is an error.

    facts : what was read of the test clips. If unreadable ones alone are wrong, the error says how to leave them out.
    """
    try:
        return reader.clips(root)
    except DatasetError as error:
        others = _not_about(error.problems, skipped)
        if error.clips is None or (others and not skipped):
            if not _not_about(others, [clip for clip, fact in facts.items() if isinstance(fact, str)]):
                raise DataError(f"{error}\nTo leave out unreadable clips, add {SKIP} to the command.") from error
            raise
        if others:
            raise DatasetError(f"{root}: not only unreadable clips are wrong.", others, error.clips) from error
        kept: pl.DataFrame = error.clips.filter(~pl.col("clip").is_in(list(skipped)))
        return kept


def _not_about(problems: Iterable[str], clips: Iterable[str]) -> list[str]:
    """Return the problems that are of none of these clips."""
    named = tuple(f"{clip}: " for clip in clips)
    return [problem for problem in problems if not problem.startswith(named)]


def of(clips: pl.DataFrame, split: str) -> pl.DataFrame:
    """Return the clips of one split."""
    return clips.filter(pl.col("split") == split)


def like_test(clips: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    """Return the clips of the machines and sections that have test clips among those ``listed``."""
    return clips.join(of(listed, "test"), on=CELL, how="semi")


def _cells(clips: pl.DataFrame) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    return list(clips.group_by(CELL, maintain_order=True))
