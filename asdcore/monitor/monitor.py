"""Listens: judges window after window, raises alarms, asks for drift, and keeps all of it in the journal."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.detector.adapting.heard_before import learnt_window_note
from asdcore.detector.verdict import Verdict
from asdcore.errors import AsdcoreError, DataError, StoreError
from asdcore.monitor.alarms import AlarmRule
from asdcore.monitor.checkpoint import Checkpoints
from asdcore.monitor.journal import DONE, HEARING, NOTE, WINDOW, Journal
from asdcore.monitor.keep_audio import AudioKept
from asdcore.monitor.level import level, shape
from asdcore.monitor.past import Event, Settings
from asdcore.monitor.sources import Recording, Source, Trouble, VanishedError
from asdcore.monitor.windows import Stump, Window, cut

Sound = NDArray[np.float32]
Judge = Callable[[Sound, int], Verdict]
Explains = Callable[[Sound, int, Verdict, float], Event]
Learnt = Callable[[str, int, Sound, int], str]

BEHIND_S = 60.0
"""Seconds between two notes that the monitor does not keep up."""


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
        Says why a recording cannot be judged, "" if it can.
    explain : callable, optional
        Says of the window that raises an alarm, and of each that scores higher while it lasts, what stands out in it,
        as JSON values. It is told how many times the window may be scored again for that.
    learnt : callable, optional
        Names the train normal that a window is, "" if it is none: as
        :meth:`asdcore.detector.adapting.heard_before.LearntSound.normal`.
    """

    judge: Judge
    settings: Settings
    journal: Journal
    kept: AudioKept
    show: Callable[[Event], None] | None = None
    misfit: Callable[[Recording], str] | None = None
    explain: Explains | None = None
    learnt: Learnt | None = None
    windows_now: int = 0
    begun_now: int = 0
    _spent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=20))
    _told: float = -BEHIND_S
    _learnt_told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._checkpoints = Checkpoints(self.journal, self.settings)
        self.past = self._checkpoints.past()

    def listen(self, source: Source) -> Iterator[Event]:
        """Yield events as they happen, until the source ends."""
        for given in source.recordings(self.past.done):
            if isinstance(given, Trouble):
                yield self._note(given.text, given.passed_over, given.stamp)
            elif (twin := self.past.digests.get(given.sha256)) == given.name:
                self._end(given.name, given.stamp, given.sha256)  # touched, but the same
            elif twin:
                text = f"{given.name} is the same recording as {twin}, which was heard; it is passed over"
                yield self._note(text, given.name, given.stamp)
            elif self.misfit and (why := self.misfit(given)):
                if given.alone:
                    raise DataError(f"{given.name}: {why}.")
                yield self._note(f"{given.name}: {why}; it is passed over", given.name, given.stamp)
            else:
                yield from self._hear(given)

    def _started(self, recording: Recording) -> Iterator[Event]:
        """Write down that a recording begins, unless it is under way; yield a note if it took the place of another."""
        before = self.past.under_way.get(recording.name)
        if before and before.sha256 == recording.sha256:
            return
        if before:
            yield self._note(f"{recording.name} was replaced before all of it was heard; the new one is heard")
        elif recording.sha256 and recording.name in self.past.names:
            yield self._note(f"{recording.name} was replaced since it was heard; the new one is heard too")
        line = {"recording": recording.name, "sha256": recording.sha256}
        self.past.begin(line)
        self.journal.write(HEARING, line)

    def _hear(self, recording: Recording) -> Iterator[Event]:
        """Yield the events of one recording, from where it was left."""
        yield from self._started(recording)
        rate = recording.sample_rate
        length, hop = round(self.settings.seconds * rate), round(self.settings.hop * rate)
        start = self.past.under_way[recording.name].sample
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
        if self.learnt and (normal := self.learnt(recording.sha256, window.start, window.sound, rate)):
            line["learnt"] = normal
        self.kept.hear(window.sound[:, : min(hop, window.sound.shape[1])], rate)
        events = self.past.take(line)
        for event in events:
            if event["event"] == "alarm begins":
                self.begun_now += 1
                event |= self._keep(event["alarm"], window.sound[:, hop:])
        self._explain(line, events, window.sound, rate, verdict, spent)
        self.journal.write(WINDOW, {**line, **({"events": events} if events else {})}, now=bool(events))
        if self.show:
            self.show(line)
        self.windows_now += 1
        yield from events
        yield from self._told_learnt(line)
        self._checkpoints.offer(self.past)
        yield from self._behind(time.monotonic() - started, recording.waiting)

    def _told_learnt(self, line: Event) -> Iterator[Event]:
        """Say once of a recording that the detector has learnt it, or a part of it."""
        if "learnt" in line and line["recording"] not in self._learnt_told:
            self._learnt_told.add(line["recording"])
            yield self._note(learnt_window_note(line["recording"], line["start"], line["learnt"]))

    def _explain(
        self, line: Event, events: list[Event], sound: Sound, rate: int, verdict: Verdict | None, spent: float
    ) -> None:
        """Add what stands out in a window to the event that an alarm begins, or to its line if it is a new peak.

        Only a window that is at hand is explained: sound of earlier ones would be lost when the monitor is killed, and
        the same journal would end in other events. So a new peak is explained at once, and told when the alarm ends.
        """
        begins = next((event for event in events if event["event"] == "alarm begins"), None)
        if self.explain is None or verdict is None or not (begins or self.past.has_new_peak):
            return
        reasons = {
            "at": self.past.offset + line["start"],
            **self._explained(self.explain, sound, rate, verdict, spent),
        }
        if begins:
            begins["explained"] = reasons
        else:
            line["explained"] = reasons
            self.past.explain(reasons)

    def _explained(self, explain: Explains, sound: Sound, rate: int, verdict: Verdict, spent: float) -> Event:
        """Say what stands out in a window of an alarm; that it cannot be said stops no alarm.

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

    def _end(self, name: str, stamp: str, sha256: str = "", seconds: float = 0.0, stump: float = 0.0) -> None:
        """Write down that a recording was heard, or passed over."""
        line = {"recording": name, "sha256": sha256, "stamp": stamp, "seconds": seconds, "stump": stump}
        self.past.finish(line)
        self.journal.write(DONE, line)
        self._checkpoints.offer(self.past)

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
