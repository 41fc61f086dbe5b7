"""Turns windows into alarms: k of n windows above the threshold begin one, n calm windows in a row end it.

A single window above the threshold is no news: one normal window in twenty is, by the usual threshold. The threshold
to end an alarm is lower than the one to begin it, so that an alarm does not flap. A calm window has a p-value of more
than twice that of the threshold, or more than the middle between it and 1 if that is less: else an alarm would never
end if half of the train normals lie above the threshold.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from asdcore.errors import DataError

CALM = 2.0
"""How many times the p-value of the threshold a calm window's p-value exceeds."""


@dataclass(frozen=True)
class AlarmRule:
    """When an alarm begins and ends.

    Parameters
    ----------
    k, n : int
        An alarm begins with the k-th of n windows in a row that lies above the threshold, 1 <= k <= n.
    threshold : float
        A window above it counts.
    p_value : float
        The share of train normals above the threshold, which says what p-value a calm window exceeds.
    """

    k: int
    n: int
    threshold: float
    p_value: float

    @property
    def calm(self) -> float:
        """The p-value that a calm window exceeds."""
        return min(CALM * self.p_value, (1 + self.p_value) / 2)

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise DataError(f"an alarm needs {self.k} of {self.n} windows; k of n with 1 <= k <= n is allowed, as 3/5")


@dataclass(frozen=True)
class Heard:
    """What one window adds: where it lies (seconds since the first window), its score, its p-value and its shares."""

    number: int
    recording: str
    start: float
    end: float
    score: float
    p_value: float
    shares: dict[str, float]


@dataclass
class Alarm:
    """One alarm, as it stands.

    first : the window with which it began: the first of the k above the threshold. peak : the window with the highest
    score so far. last : the last window of it that was not calm. explained : what stands out in the peak, if it came
    after the event that the alarm begins.
    """

    id: int
    first: Heard
    peak: Heard
    last: Heard
    explained: dict[str, Any] | None = None

    def event(self, state: str) -> dict[str, Any]:
        """Return the event as JSON shows it. state : "begins" or "ends"."""
        fields = {"recording": self.first.recording, "begin": self.first.start, "score": self.peak.score}
        fields |= {"p_value": self.peak.p_value, "peak": self.peak.start, "branches": self.peak.shares}
        if state == "ends":
            fields |= {"end": self.last.end, "ends_in": self.last.recording}
            fields |= {"explained": self.explained} if self.explained else {}
        return {"event": f"alarm {state}", "alarm": self.id, **fields}


@dataclass
class Alarms:
    """The alarms of one monitor: feed it every window, in order; it is the same for the same windows, always."""

    rule: AlarmRule
    count: int = 0
    current: Alarm | None = None
    _recent: deque[Heard] = field(default_factory=deque)

    def hear(self, window: Heard) -> dict[str, Any] | None:
        """Take in a window; returns the event that it makes, if any."""
        self._recent.append(window)
        while len(self._recent) > self.rule.n:
            self._recent.popleft()
        return self._going_on(window) if self.current else self._quiet()

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes, as JSON values."""
        current = asdict(self.current) if self.current else None
        return {"count": self.count, "current": current, "recent": [asdict(window) for window in self._recent]}

    def restore(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` was taken of."""
        self.count, self._recent = state["count"], deque(Heard(**window) for window in state["recent"])
        if alarm := state["current"]:
            first, peak, last = (Heard(**alarm[name]) for name in ("first", "peak", "last"))
            self.current = Alarm(alarm["id"], first, peak, last, alarm.get("explained"))

    def _quiet(self) -> dict[str, Any] | None:
        above = [window for window in self._recent if window.score > self.rule.threshold]
        if len(above) < self.rule.k:
            return None
        self.count += 1
        self.current = Alarm(self.count, above[0], max(above, key=lambda window: window.score), above[-1])
        return self.current.event("begins")

    def _going_on(self, window: Heard) -> dict[str, Any] | None:
        alarm = self.current
        assert alarm is not None
        if window.score > alarm.peak.score:
            alarm.peak, alarm.explained = window, None
        if not self._is_calm(window):
            alarm.last = window
        if len(self._recent) < self.rule.n or not all(map(self._is_calm, self._recent)):
            return None
        self.current = None
        self._recent.clear()
        return alarm.event("ends")

    def _is_calm(self, window: Heard) -> bool:
        return window.score <= self.rule.threshold and window.p_value > self.rule.calm
