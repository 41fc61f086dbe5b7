"""What is noticed of recordings while they are listed, beside the facts that the clip index keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from asdcore.basics.recording_parts import is_whole, part_digest, recording_name


@dataclass(frozen=True)
class Noticed:
    """What was noticed of the recordings of a clip index.

    Attributes
    ----------
    rests : dict of str to int
        The bytes of wav files after their last whole sample, by clip; only of files that have such.
    still : dict of str to int
        The channels of clips that have one value throughout, as bits of a number; only of clips that have such
        (:class:`asdcore.data.recordings.audio.AudioFacts`).
    sounds : dict of str to str
        The digest of the sound of each clip, if it is known (:mod:`asdcore.data.recordings.sound_digest`).
    levels : dict of str to float
        The level of each clip in dB of full scale, if it is known (:mod:`asdcore.data.recordings.loudness`).
    """

    rests: dict[str, int] = field(default_factory=dict)
    still: dict[str, int] = field(default_factory=dict)
    sounds: dict[str, str] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)

    def with_sounds(self, clips: pl.DataFrame) -> pl.DataFrame:
        """Return a clip index with the column ``sound``: null if it was not noticed."""
        names = clips["clip"].to_list()
        noticed = zip(names, map(self.sounds.get, names), strict=True)
        sounds = [self._sound_of(name) if sound is None else sound for name, sound in noticed]
        return clips.with_columns(sound=pl.Series(sounds, dtype=pl.String))

    def _sound_of(self, clip: str) -> str | None:
        """Return what tells the sound of a clip that was not noticed: of a window, its recording and where it lies."""
        recording = None if is_whole(clip) else self.sounds.get(recording_name(clip))
        return None if recording is None else part_digest(clip, recording)


_NOTICED: ContextVar[Noticed | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing() -> Iterator[Noticed]:
    """Let :func:`asdcore.index_clips` keep, inside the block, what it notices of recordings."""
    noticed = Noticed()
    token = _NOTICED.set(noticed)
    try:
        yield noticed
    finally:
        _NOTICED.reset(token)


def notice(clips: list[str], facts: pl.DataFrame) -> None:
    """Keep what the facts of clips, a row each in their order, say beside what the index keeps."""
    if (noticed := _NOTICED.get()) is not None:
        named = facts.select("rest", "still", "sound", "level", clip=pl.Series(clips, dtype=pl.String))
        for name, kept in (("rest", noticed.rests), ("still", noticed.still)):
            kept.update(_by_clip(named.filter(pl.col(name) > 0), name))
        noticed.levels.update(_by_clip(named.drop_nulls("level"), "level"))
        noticed.sounds.update(_by_clip(named.filter(pl.col("sound").fill_null("") != ""), "sound"))


def _by_clip(named: pl.DataFrame, column: str) -> Iterator[tuple[str, Any]]:
    """Yield clips with their values; no row is kept as a tuple, of which a million would busy the garbage collector."""
    return zip(named["clip"].to_list(), named[column].to_list(), strict=True)
