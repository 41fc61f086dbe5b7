"""The columns of a table of clips that say which part of a file a clip is, and what a logger's file does not say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from asdcore import part_name, part_of

PART = ("start", "end", "channel", "rate", "unit")

NUMBERED = (".wav", ".flac")
"""The endings of files whose channels have no names."""

Row = Mapping[str, str | None]


def clip_of(row: Row) -> str:
    """Return the name of the clip that a row describes.

    Examples
    --------
    >>> clip_of({"path": "hall.wav", "start": "60", "end": "70.0", "channel": None})
    'hall.wav#t=60-70'
    >>> clip_of({"path": "hall.wav", "start": None, "end": None, "channel": "01"})
    'hall.wav#channel=1'
    >>> clip_of({"path": "hall.wav", "start": None, "end": None, "channel": "2.0"})
    'hall.wav#channel=2'
    """
    rate = None if row.get("rate") is None else int(float(str(row["rate"])))
    path, channel = str(row["path"]), row["channel"]
    if channel is not None and path.lower().endswith(NUMBERED):
        whole = channel.removesuffix(".0")  # as pandas writes numbers of a column that has empty cells
        channel = str(int(whole)) if whole.isdecimal() else channel
    return part_name(path, row["start"], row["end"], channel, rate, row.get("unit"))


def part_problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with the times of a row; whether its file has them is seen when it is read."""
    times = {name: _seconds(row[name]) for name in ("start", "end") if row[name] is not None}
    for name, seconds in times.items():
        if seconds is None:
            yield f"its {name} is {row[name]!r}; seconds from the beginning of the file are allowed, such as 12.5"
    start, end = times.get("start", 0.0), times.get("end")
    if start is not None and end is not None and start >= end:
        yield f"it starts at {row['start'] or 0} s and ends at {row['end']} s; the end must come after the start"
    if (rate := row.get("rate")) is not None and not _is_rate(rate):
        yield f"its rate is {rate!r}; a whole number of Hz is allowed, such as 25600"


def mixed_channels(clips: Mapping[str, int]) -> list[str]:
    """Return a problem for each file whose channels some rows number and others name: two may be the same channel.

    clips : {name of a clip: its row}.
    """
    rows: dict[str, dict[bool, tuple[int, str]]] = defaultdict(dict)
    for clip, row in clips.items():
        part = part_of(clip)
        if part.channel is not None and not part.file.lower().endswith(NUMBERED):
            rows[part.file].setdefault(part.channel.isdecimal(), (row, part.channel))
    return [
        f"{file}: row {given[True][0]} gives a channel by its number ({given[True][1]}) and row {given[False][0]} by "
        f"its name ({given[False][1]}), so the same channel may stand there twice. Give all of a file in one way"
        for file, given in rows.items()
        if len(given) > 1
    ]


def overlaps(clips: Mapping[str, int]) -> list[str]:
    """Return a problem for each two clips that share sound. clips : {name of a clip: its row}."""
    return list(dict.fromkeys(_overlaps(clips)))


def _overlaps(clips: Mapping[str, int]) -> Iterator[str]:
    stretches: dict[str, list[tuple[float, float, str | None, str]]] = defaultdict(list)
    for clip in clips:
        part = part_of(clip)
        end = float("inf") if part.end is None else float(part.end)
        stretches[part.file].append((float(part.start or 0), end, part.channel, clip))
    for file, of_file in stretches.items():
        for channel in {channel for _, _, channel, _ in of_file}:
            mine = sorted((s for s in of_file if s[2] in (channel, None)), key=lambda s: s[:2])
            for (*_, end, _, before), (start, _, _, clip) in pairwise(mine):
                if start < end:
                    yield (
                        f"{file}: rows {clips[before]} and {clips[clip]} overlap ({before.rpartition('#')[2]} and "
                        f"{clip.rpartition('#')[2]}), and sound that two clips share makes both look normal. Let each "
                        "begin where the one before ends"
                    )


def with_recordings(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let parts of one file lie in one recording, in the order of time, unless the table says it.

    entries : the clips, as the index has them. A table that fills ``recording`` or ``order`` anywhere has said it.
    """
    entries = list(entries)
    if any(entry["recording"] is not None or entry["order"] is not None for entry in entries):
        return entries
    parts = {id(entry): part_of(entry["clip"]) for entry in entries}
    if all(part.is_whole for part in parts.values()):
        return entries
    return [
        {**entry, "recording": parts[id(entry)].file, "order": float(parts[id(entry)].start or 0)} for entry in entries
    ]


def _is_rate(text: str) -> bool:
    try:
        rate = float(text)
    except ValueError:
        return False
    return rate.is_integer() and rate > 0


def _seconds(text: str | None) -> float | None:
    try:
        part_name("", text)
    except ValueError:
        return None
    return float(text or 0)
