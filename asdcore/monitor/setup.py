"""Chooses how a monitor listens: length of windows, the rule of alarms, and the threshold that keeps a promise."""

from __future__ import annotations

import re
from typing import Any

from asdcore.detector.baselines import KnownMachine
from asdcore.detector.detector import Detector
from asdcore.errors import DataError
from asdcore.monitor.alarms import AlarmRule
from asdcore.monitor.past import Settings
from asdcore.monitor.promise import budget_of, in_words
from asdcore.portfolio import Decision, Windows

LONGEST = 86400
"""Seconds of a window at most: it is held in memory."""

SHORTEST_HOP = 0.01
"""Seconds from one window to the next at least: at any sample rate these are several samples."""


def settings_of(
    machine: KnownMachine,
    system: str,
    windows: Windows | None = None,
    *,
    seconds: float | None = None,
    hop: float | None = None,
    alarm: str = "3/5",
    promise: str | None = None,
) -> Settings:
    """Return how a monitor of one machine listens.

    Parameters
    ----------
    machine : KnownMachine
        What the detector knows of the machine.
    system : str
        The system that judges.
    windows : Windows, optional
        What the detector's train recordings were cut into: unless told otherwise a monitor cuts alike, as ``detect``
        does.
    seconds, hop : float, optional
        Of a window, and from one to the next; by default as ``windows`` says, or the length of the shortest train clip,
        without overlap.
    alarm : str
        "k/n".
    promise : str, optional
        A budget of false alarms, such as "1 per week". Without it the detector's own threshold counts.

    Raises
    ------
    DataError
        If a value is out of range, or so few train normals cannot promise this; then the message says what they can.
    """
    length = machine.seconds if seconds is None else seconds
    step = hop if hop is not None else windows.hop if windows and length == windows.seconds else length
    if not machine.seconds / 2 <= length <= LONGEST or not min(SHORTEST_HOP, length) <= step <= length:
        raise DataError(
            f"windows are {length:g} s long, every {step:g} s; from {machine.seconds / 2:g} s (half a train clip) to "
            f"{LONGEST} s (a day) are allowed, and a --hop from {SHORTEST_HOP:g} s to the length of a window"
        )
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", alarm)
    if not match:
        raise DataError(f"--alarm is {alarm!r}; k/n is allowed, such as 3/5: an alarm begins with 3 of 5 windows.")
    k, n = int(match[1]), int(match[2])
    threshold = machine.threshold(system) if promise is None else _promised(machine, system, promise, step, k)
    rate = machine.rate_above(system, threshold)
    usual = machine.normals(system)["score"].to_numpy()
    return Settings(length, step, AlarmRule(k, n, threshold, rate), usual, in_words(rate, step, k))


def _promised(machine: KnownMachine, system: str, promise: str, hop: float, k: int) -> float:
    """Return the threshold that keeps a promise; raises DataError, saying what can be promised, if none does."""
    rate = budget_of(promise).rate(hop, k)
    groups = machine.groups(system)
    if rate >= 1:
        raise DataError(f"The promise {promise!r} allows more alarms than there are windows. Ask for fewer.")
    if rate * (groups + 1) < 1:
        best = in_words(1 / (groups + 1), hop, k)
        needed = -(-rate.denominator // rate.numerator) - 1
        raise DataError(
            f"{groups} groups of train normals cannot promise {promise}: that needs {needed}. They can promise {best} "
            f"(--promise '{best}'). An alarm of more windows (--alarm) or a longer --hop can promise less."
        )
    return machine.limit(system, Decision(rule="conformal", quantile=float(1 - rate)))


def settings_written(detector: Detector, machine: KnownMachine, system: str, asked: Settings) -> dict[str, Any]:
    """Return what the journal remembers of the settings: all that determines a judgement."""
    rule = asked.rule
    return {
        "detector": detector.manifest_sha256,
        "machine": machine.machine,
        "section": machine.section,
        "system": system,
        "seconds": asked.seconds,
        "hop": asked.hop,
        "alarm": f"{rule.k}/{rule.n}",
        "threshold": rule.threshold,
    }
