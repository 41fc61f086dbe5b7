"""Says once what holds for many windows of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from asdcore.basics.recording_parts import is_whole, part_of


def by_recording(lines: Iterable[str]) -> list[str]:
    """Return lines that begin with a clip's name, those that say the same of several parts of a recording as one.

    Examples
    --------
    >>> by_recording(["a.wav#t=0-1: cut short", "a.wav#t=1-2: cut short", "b.wav: empty", "a.wav#t=1-2: is loud"])
    ['a.wav: cut short (2 clips of it, from t=0-1 on)', 'b.wav: empty', 'a.wav#t=1-2: is loud']
    """
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        clip, _, what = line.partition(": ")
        alike[(line, "") if is_whole(clip) else (part_of(clip).file, what)].append(line)
    return [_said_once(file, what, same) for (file, what), same in alike.items()]


def _said_once(file: str, what: str, same: list[str]) -> str:
    """Return one line for lines that say the same (``what``) of parts of a file, or are the same."""
    if len(same) == 1 or not what:
        return same[0]
    fragment = same[0].removeprefix(f"{file}#").partition(": ")[0]
    return f"{file}: {what} ({len(same)} clips of it, from {fragment} on)"
