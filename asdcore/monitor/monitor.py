"""Listens: judges window after window, raises alarms, asks for drift, and keeps all of it in the journal."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.detector.verdict import Verdict
from asdcore.errors import AsdcoreError, DataError, StoreError
from asdcore.monitor.alarms import AlarmRule, Alarms, Heard
from asdcore.monitor.change import Change
from asdcore.monitor.journal import DONE, HEARING, NOTE, WINDOW, Journal
from asdcore.monitor.keep_audio import AudioKept
from asdcore.monitor.level import level, shape
from asdcore.monitor.sources import Recording, Source, Trouble, VanishedError
from asdcore.monitor.windows import Stump, Window, cut

Sound = NDArray[np.float32]
Judge = Callable[[Sound, int], Verdict]
Event = dict[str, Any]
Explains = Callable[[Sound, int, Verdict, float], Event]

BEHIND_S = 60.0
"""Seconds between two notes that the monitor does not keep up."""


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


@dataclass
class Monitor:
    """One monitor under way.

    Parameters
    ----------
    judge : callable
        Gives the verdict on a window (n_channels, n_samples) at a sample rate.
    settings : Settings
        Windows and alarms.
    journal : Journal
        What was heard before, and where all is written.
    kept : AudioKept
        Keeps the sound before an alarm.
    show : callable, optional
        Is given every window that is judged, as the journal has it.
    misfit : callable, optional
        Says why a recording of a number of channels, a sample rate and a unit cannot be judged, "" if it can.
    explain : callable, optional
        Says of the window that raises an alarm what stands out in it, as JSON values. It is told how many times the
        window may be scored again for that.
    """

    judge: Judge
    settings: Settings
    journal: Journal
    kept: AudioKept
    show: Callable[[Event], None] | None = None
    misfit: Callable[[int, int, str], str] | None = None
    explain: Explains | None = None
    count: int = 0
    windows_now: int = 0
    begun_now: int = 0
    _done: dict[str, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _under_way: dict[str, UnderWay] = field(default_factory=dict)
    _problem: str | None = None
    _offset: float = 0.0
    _spent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=20))
    _told: float = -BEHIND_S

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.settings.rule)
        hops = self.settings.seconds / self.settings.hop
        self.change = Change(self.settings.normals, every=math.ceil(hops - 1e-9))
        for line in self.journal.lines():
            if line["kind"] == WINDOW:
                self._take(line)
            elif line["kind"] == HEARING:
                self._begin(line)
            elif line["kind"] == DONE:
                self._finish(line)

    def listen(self, source: Source) -> Iterator[Event]:
        """Yield events as they happen, until the source ends."""
        for given in source.recordings(self._done):
            if isinstance(given, Trouble):
                yield self._note(given.text, given.passed_over, given.stamp)
            elif (twin := self._digests.get(given.sha256)) == given.name:
                self._end(given.name, given.stamp, given.sha256)  # touched, but the same
            elif twin:
                text = f"{given.name} is the same recording as {twin}, which was heard; it is passed over"
                yield self._note(text, given.name, given.stamp)
            elif self.misfit and (why := self.misfit(given.channels, given.sample_rate, given.unit)):
                if given.alone:
                    raise DataError(f"{given.name}: {why}.")
                yield self._note(f"{given.name}: {why}; it is passed over", given.name, given.stamp)
            else:
                yield from self._hear(given)

    def _started(self, recording: Recording) -> Iterator[Event]:
        """Write down that a recording begins, unless it is under way; yield a note if it took the place of another."""
        before = self._under_way.get(recording.name)
        if before and before.sha256 == recording.sha256:
            return
        if before:
            yield self._note(f"{recording.name} was replaced before all of it was heard; the new one is heard")
        elif recording.sha256 and recording.name in self._digests.values():
            yield self._note(f"{recording.name} was replaced since it was heard; the new one is heard too")
        line = {"recording": recording.name, "sha256": recording.sha256}
        self._begin(line)
        self.journal.write(HEARING, line)

    def _hear(self, recording: Recording) -> Iterator[Event]:
        """Yield the events of one recording, from where it was left."""
        yield from self._started(recording)
        rate = recording.sample_rate
        length, hop = round(self.settings.seconds * rate), round(self.settings.hop * rate)
        start = self._under_way[recording.name].sample
        stump, end = 0.0, start
        try:
            for piece in cut(recording.blocks(start), length, hop, start):
                if isinstance(piece, Stump):
                    stump, end = piece.samples / rate, piece.start + piece.samples
                else:
                    end = piece.start + length
                    yield from self._window(recording, piece, rate, hop)
        except VanishedError as error:
            if recording.alone:
                raise
            yield self._note(f"{error}; what is left of it is heard when it is back")
            return
        except DataError as error:
            yield self._note(f"{recording.name}: {error}; what is left of it is passed over")
        self._end(recording.name, recording.stamp, recording.sha256, end / rate, stump)
        if stump:
            yield {"event": "note", "text": f"{recording.name}: the last {stump:.6g} s are too short for a window"}

    def _window(self, recording: Recording, window: Window, rate: int, hop: int) -> Iterator[Event]:
        """Judge one window, write it down, and yield what it makes."""
        started = time.monotonic()
        try:
            verdict = self.judge(window.sound, rate)
        except DataError as error:
            verdict, problem = None, str(error)
        spent = time.monotonic() - started
        line: dict[str, Any] = {"recording": recording.name, "start": window.start / rate, "sample": window.start + hop}
        line |= {"end": (window.start + window.sound.shape[1]) / rate, "level": level(window.sound)}
        if verdict is not None:
            line |= {"score": verdict.score, "p_value": verdict.p_value, "above": verdict.score > self.rule.threshold}
            line |= {"spectrum": shape(window.sound), "branches": _shares(verdict)}
        else:
            line["problem"] = problem
        self.kept.hear(window.sound[:, : min(hop, window.sound.shape[1])], rate)
        events = self._take(line)
        for event in events:
            if event["event"] == "alarm begins":
                self.begun_now += 1
                event |= self._keep(event["alarm"], window.sound[:, hop:])
                if self.explain and verdict is not None:
                    told = self._explained(self.explain, window.sound, rate, verdict, spent)
                    event["explained"] = {"at": self._offset + line["start"], **told}
        self.journal.write(WINDOW, {**line, **({"events": events} if events else {})}, now=bool(events))
        if self.show:
            self.show(line)
        self.windows_now += 1
        yield from events
        yield from self._behind(time.monotonic() - started, recording.waiting)

    def _explained(self, explain: Explains, sound: Sound, rate: int, verdict: Verdict, spent: float) -> Event:
        """Say what stands out in the window that raised an alarm; that it cannot be said stops no alarm.

        What judging leaves over of the time to the next window is for this: so the alarm is told before that window,
        and a live source is never behind because of it.
        """
        scores = (self.settings.hop - spent) / spent if spent else math.inf
        try:
            return explain(sound, rate, verdict, scores)
        except AsdcoreError as error:
            return {"problem": str(error)}

    def _keep(self, alarm: int, rest: Sound) -> Event:
        """Keep the sound before an alarm, and return where it is; a full disk stops no alarm."""
        try:
            return self.kept.keep(alarm, rest)
        except StoreError as error:
            return {"audio_problem": str(error)}

    @property
    def rule(self) -> AlarmRule:
        """When an alarm begins and ends."""
        return self.settings.rule

    def _take(self, line: Event) -> list[Event]:
        """Take in a window, heard now or before; returns what it makes. It is the same for the same lines, always."""
        self.count += 1
        before = self._under_way.get(line["recording"], UnderWay("", 0, 0.0))
        self._under_way[line["recording"]] = UnderWay(before.sha256, line["sample"], line["end"])
        problem, self._problem = self._problem, line.get("problem")
        if "score" not in line:  # a microphone that is dead all night is one note
            text = f"{line['recording']}, {line['start']:.6g} s: {line['problem']}"
            return [{"event": "note", "text": text}] if line["problem"] != problem else []
        start, end = self._offset + line["start"], self._offset + line["end"]
        heard = Heard(self.count, line["recording"], start, end, line["score"], line["p_value"], line["branches"])
        event = self.alarms.hear(heard)
        changed = self.change.hear(self.count, line["score"], line["level"], line["spectrum"])
        place = {"recording": line["recording"], "at": start}
        return [*([event] if event else []), *({**drift, **place} for drift in changed)]

    def _begin(self, line: Event) -> None:
        """Take in the begin of a recording; what was heard of another in its place lies before it."""
        if before := self._under_way.get(line["recording"]):
            self._offset += before.end
        self._under_way[line["recording"]] = UnderWay(line["sha256"], 0, 0.0)

    def _end(self, name: str, stamp: str, sha256: str = "", seconds: float = 0.0, stump: float = 0.0) -> None:
        """Write down that a recording was heard, or passed over."""
        line = {"recording": name, "sha256": sha256, "stamp": stamp, "seconds": seconds, "stump": stump}
        self._finish(line)
        self.journal.write(DONE, line)

    def _finish(self, line: Event) -> None:
        """Take in the end of a recording."""
        self._done[line["recording"]] = line["stamp"]
        if line["sha256"]:
            self._digests[line["sha256"]] = line["recording"]
        self._offset += line["seconds"]
        self._under_way.pop(line["recording"], None)

    def _note(self, text: str, passed_over: str | None = None, stamp: str = "") -> Event:
        self.journal.write(NOTE, {"text": text})
        if passed_over is not None:
            self._end(passed_over, stamp)
        return {"event": "note", "text": text}

    def _behind(self, spent: float, waiting: int) -> Iterator[Event]:
        """Say so if judging takes longer than listening."""
        self._spent.append((spent, self.settings.hop))
        seconds, sound = (sum(column) for column in zip(*self._spent, strict=True))
        if len(self._spent) == self._spent.maxlen and seconds > sound and time.monotonic() - self._told > BEHIND_S:
            self._told = time.monotonic()
            behind = f"{seconds / sound:.3g} s of work for each second of sound"
            more = f"; {waiting} recordings wait" if waiting else ""
            yield self._note(f"the monitor does not keep up: {behind}{more}. A longer --hop needs less work")


def _shares(verdict: Verdict) -> dict[str, float]:
    """Return the share of every branch and guard in the score."""
    shares = {name: branch.share for name, branch in verdict.branches.items()} | verdict.guards
    return {name: round(share, 6) for name, share in shares.items()}


def keep_folder(log: Path) -> Path:
    """Return the folder of the sound that is kept beside a journal."""
    return log.with_name(f"{log.stem}-audio")
