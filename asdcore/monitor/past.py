"""What follows from the lines of a log: alarms, drift, and how far every recording was heard.

It takes in the same lines to the same effect, always: those of a monitor under way, and those that an earlier one left.
So it may be kept beside the log (:mod:`checkpoint <asdcore.monitor.checkpoint>`), and need not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.monitor.alarms import AlarmRule, Alarms, Heard
from asdcore.monitor.change import Change
from asdcore.monitor.journal import DONE, HEARING, WINDOW

Event = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How a monitor listens.

    seconds, hop : of a window, and from one to the next. rule : when an alarm begins and ends. normals : scores of the
    train normals. expected : how many alarms normal sound gives at most, in words.
    """

    seconds: float
    hop: float
    rule: AlarmRule
    normals: NDArray[np.float64]
    expected: str = ""


class UnderWay(NamedTuple):
    """A recording of which a part was heard: its digest, the sample to go on from, and the end of that part (s)."""

    sha256: str
    sample: int
    end: float


class Past:
    """All that a monitor knows of what it has heard.

    Parameters
    ----------
    settings : Settings
        Windows and alarms.

    Attributes
    ----------
    count : int
        How many windows were heard.
    done : dict
        {recording that was heard, or passed over: the stamp of its file}.
    digests : dict
        {SHA-256 of what was heard: the name of the recording}.
    names : set
        The names in ``digests``: a year may have millions, too many to search for each new one.
    under_way : dict
        {recording of which a part was heard: that part}.
    offset : float
        Seconds of all recordings before the one that is heard.
    """

    def __init__(self, settings: Settings) -> None:
        self.count, self.offset = 0, 0.0
        self.done: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self.names: set[str] = set()
        self.under_way: dict[str, UnderWay] = {}
        self.alarms = Alarms(settings.rule)
        self.change = Change(settings.normals, every=math.ceil(settings.seconds / settings.hop - 1e-9))
        self._problem: str | None = None

    def read(self, line: Event) -> None:
        """Take in a line of the log."""
        taken: dict[str, Callable[[Event], object]] = {WINDOW: self.take, HEARING: self.begin, DONE: self.finish}
        if take := taken.get(line["kind"]):
            take(line)

    def take(self, line: Event) -> list[Event]:
        """Take in a window; returns what it makes."""
        self.count += 1
        before = self.under_way.get(line["recording"], UnderWay("", 0, 0.0))
        self.under_way[line["recording"]] = UnderWay(before.sha256, line["sample"], line["end"])
        problem, self._problem = self._problem, line.get("problem")
        if "score" not in line:  # a microphone that is dead all night is one note
            text = f"{line['recording']}, {line['start']:.6g} s: {line['problem']}"
            return [{"event": "note", "text": text}] if line["problem"] != problem else []
        start, end = self.offset + line["start"], self.offset + line["end"]
        heard = Heard(self.count, line["recording"], start, end, line["score"], line["p_value"], line["branches"])
        event = self.alarms.hear(heard)
        if "explained" in line:  # by the journal
            self.explain(line["explained"])
        changed = self.change.hear(self.count, line["score"], line["level"], line["spectrum"])
        place = {"recording": line["recording"], "at": start}
        return [*([event] if event else []), *({**drift, **place} for drift in changed)]

    @property
    def has_new_peak(self) -> bool:
        """Whether the last window scored higher than any before it of an alarm that has begun."""
        alarm = self.alarms.current
        return alarm is not None and alarm.peak.number == self.count

    def explain(self, explained: Event) -> None:
        """Take in what stands out in the last window, the peak of the alarm so far."""
        if self.alarms.current:
            self.alarms.current.explained = explained

    def begin(self, line: Event) -> None:
        """Take in the begin of a recording; what was heard of another in its place lies before it."""
        if before := self.under_way.get(line["recording"]):
            self.offset += before.end
        self.under_way[line["recording"]] = UnderWay(line["sha256"], 0, 0.0)

    def finish(self, line: Event) -> None:
        """Take in the end of a recording."""
        self.done[line["recording"]] = line["stamp"]
        if line["sha256"]:
            self.digests[line["sha256"]] = line["recording"]
            self.names.add(line["recording"])
        self.offset += line["seconds"]
        self.under_way.pop(line["recording"], None)

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON values and arrays, for :meth:`restore`."""
        return {
            "count": self.count,
            "offset": self.offset,
            "done": self.done,
            "digests": self.digests,
            "under_way": self.under_way,
            "problem": self._problem,
            "alarms": self.alarms.state(),
            "change": self.change.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` was taken of. The settings must be the same."""
        self.count, self.offset, self._problem = state["count"], state["offset"], state["problem"]
        self.done.update(state["done"])
        self.digests.update(state["digests"])
        self.names.update(self.digests.values())
        self.under_way.update({name: UnderWay(*part) for name, part in state["under_way"].items()})
        self.alarms.restore(state["alarms"])
        self.change.restore(state["change"])
