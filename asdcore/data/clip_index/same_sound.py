"""Tells which clips are copies: the same file, or another file of the same sound, such as its FLAC.

So a train normal is recognized that comes back as a new clip, and a known fault that comes back as a normal. Clips
carry two digests: ``sha256``, of the bytes of their file, and ``sound``, of its samples
(:mod:`asdcore.data.recordings.sound_digest`). The digest of a window is made of that of its recording and of where it
lies in it (:func:`asdcore.basics.recording_parts.part_digest`), so no recording is decoded once more for each of its
windows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from asdcore.basics.recording_parts import Part, is_whole, part_digest, part_of, recording_name
from asdcore.data.clip_index.remembered_facts import read_or_remembered
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError

SOUND = "sound"
"""The column of a clip index: null if nobody has digested the clip's sound."""


def with_sounds(clips: pl.DataFrame, root: Path, *, in_windows: bool) -> pl.DataFrame:
    """Return rows of a clip index with the column ``sound``, taken from the recordings unless it is there.

    Parameters
    ----------
    clips : polars.DataFrame
        The columns ``clip`` and ``sha256`` at least.
    root : Path
        Where the recordings lie. The sound of one that is gone, or another than it was, is null.
    in_windows : bool
        Whether the clips are windows, which a portfolio cuts recordings into.
    """
    if SOUND in clips.columns:
        return clips

    def look(name: str) -> AudioFacts | str:
        try:
            return inspect_audio(root / name)
        except DataError as error:
            return str(error)

    names = [recording_name(clip) for clip in clips["clip"]] if in_windows else clips["clip"].to_list()
    files = list(dict.fromkeys(names))
    facts, _ = read_or_remembered(root, files, look)
    digests = dict(zip(files, facts.select("sha256", SOUND).rows(), strict=True))
    sounds = []
    for clip, name, sha256 in zip(clips["clip"], names, clips["sha256"], strict=True):
        file, sound = digests[name]
        is_as_listed = bool(file and sound) and (part_digest(clip, file) if in_windows else file) == sha256
        sounds.append((part_digest(clip, sound) if in_windows else sound) if is_as_listed else None)
    return clips.with_columns(pl.Series(SOUND, sounds, pl.String))


def copies(clips: pl.DataFrame, files: Collection[str], sounds: Collection[str]) -> set[str]:
    """Return the clips that are one of these files byte for byte, or sound like one sample for sample.

    Parameters
    ----------
    clips : polars.DataFrame
        The columns ``clip`` and ``sha256``, and ``sound`` if it is known.
    files, sounds : collection of str
        The digests to look for: of files, and of sounds.

    Examples
    --------
    >>> import polars as pl
    >>> clips = pl.DataFrame({"clip": ["a", "b", "c"], "sha256": ["00", "11", "22"], "sound": ["77", "88", None]})
    >>> sorted(copies(clips, files=["22"], sounds=["77"]))
    ['a', 'c']
    """
    is_copy = pl.col("sha256").is_in(list(files))
    if SOUND in clips.columns:
        is_copy |= pl.col(SOUND).is_in(list(sounds)).fill_null(False)
    return set(clips.filter(is_copy.fill_null(False))["clip"])


def sharing(clips: pl.DataFrame, parts: Mapping[str, tuple[str, Part]]) -> pl.DataFrame:
    """Return the clips that share a stretch of a file with given parts, wherever each of them begins and ends.

    Parameters
    ----------
    clips : polars.DataFrame
        The columns ``clip`` and ``sha256``.
    parts : mapping of str to tuple of str and Part
        {key: the SHA-256 of the file, and which part of it}.

    Returns
    -------
    polars.DataFrame
        The columns ``key`` and ``clip``.

    Examples
    --------
    >>> import polars as pl
    >>> from asdcore.basics.recording_parts import part_digest, part_of
    >>> names = ["a.wav#t=0-1", "a.wav#t=1-2", "a.wav#t=2-3"]
    >>> clips = pl.DataFrame({"clip": names, "sha256": [part_digest(name, "00ff") for name in names]})
    >>> sharing(clips, {"mine": ("00ff", part_of("b.wav#t=0.5-1.5"))}).rows()
    [('mine', 'a.wav#t=0-1'), ('mine', 'a.wav#t=1-2')]
    """
    places = {part_of(clip)._replace(file=""): clip for clip in clips["clip"]}
    digests = [
        (key, part_digest(like, file))
        for key, (file, part) in parts.items()
        for place, like in places.items()
        if place.meets(part)
    ]
    wanted = pl.DataFrame(digests, schema=dict.fromkeys(("key", "sha256"), pl.String), orient="row")
    return clips.join(wanted, on="sha256").select("key", "clip").sort("key", "clip")


def cut_from(clips: pl.DataFrame, files: Collection[str], sounds: Collection[str]) -> set[str]:
    """Return the clips that are parts of one of these files, or of a recording that sounds like one of them.

    Parameters and result as of :func:`copies`; whole recordings are never parts.
    """
    parts = clips.filter([not is_whole(clip) for clip in clips["clip"]])
    cut: set[str] = set()
    # A thousand recordings of one length are cut at the same places.
    places = [str(part_of(clip)._replace(file="")) for clip in parts["clip"]]
    for _, alike in parts.with_columns(place=pl.Series(places, dtype=pl.String)).group_by("place"):
        name = alike["clip"][0]
        of_files, of_sounds = ({part_digest(name, digest) for digest in digests} for digests in (files, sounds))
        cut |= copies(alike, of_files, of_sounds)
    return cut
