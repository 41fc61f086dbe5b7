"""Watches for drift in three things: scores, the level of the recording, and where its sound lies in the spectrum.

A changed machine shows in the scores. A moved microphone, or a gain that was turned, shows in level and spectrum, and
mostly in the scores as well; so look at the microphone first if level or spectrum has drifted. An alarm says that some
windows are anomalous; drift says that windows are not what they were, though each may be normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.monitor.drift import ExchangeabilityTest

FALSE_DRIFT = 0.01
"""The probability that an unchanged machine is ever said to have drifted, for each of the three."""

SETTLE = 30
"""Windows at the beginning that level and spectrum are compared with."""

MEANING = {
    "scores": "normal sound is not what the detector learnt, or no longer what it was",
    "level": "the recording is louder or softer than it was: look at the microphone and its gain first",
    "spectrum": "the recording's spectrum has changed: look at the microphone and its place first",
}


class Change:
    """Three tests for drift, each of which may be looked at after every window.

    Parameters
    ----------
    normals : (n,) float array
        Scores of the train normals.
    every : int
        Every how many windows one is asked: windows that overlap are not exchangeable.
    """

    def __init__(self, normals: NDArray[np.float64], every: int = 1) -> None:
        self._every, self._runs = max(1, every), dict.fromkeys(MEANING, 0)
        self._first: list[list[float]] = []
        self._usual: NDArray[np.float64] | None = None
        self._tests = {
            "scores": ExchangeabilityTest("scores", normals),
            "level": ExchangeabilityTest("level"),
            "spectrum": ExchangeabilityTest("spectrum"),
        }

    def hear(self, number: int, score: float, level: float, spectrum: list[float]) -> list[dict[str, Any]]:
        """Take in a window; returns the drifts that it makes certain."""
        if number % self._every:
            return []
        values = {"scores": score}
        if len(self._first) < SETTLE:
            self._first.append([level, *spectrum])
            self._usual = np.median(np.array(self._first), axis=0)[1:] if len(self._first) == SETTLE else None
        elif self._usual is not None:
            values |= {"level": level, "spectrum": float(np.linalg.norm(np.array(spectrum) - self._usual))}
        return [self._drift(what) for what, value in values.items() if self._tests[what].hear(value) >= 1 / FALSE_DRIFT]

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes."""
        tests = {what: test.state() for what, test in self._tests.items()}
        return {"runs": self._runs, "first": self._first, "usual": self._usual, "tests": tests}

    def restore(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` was taken of."""
        self._runs, self._first, self._usual = state["runs"], state["first"], state["usual"]
        for what, test in state["tests"].items():
            self._tests[what].restore(test)

    def _drift(self, what: str) -> dict[str, Any]:
        """Say that something drifted, and begin to compare anew."""
        capital, self._runs[what] = self._tests[what].capital, self._runs[what] + 1
        self._tests[what] = ExchangeabilityTest(f"{what} {self._runs[what]}")
        if what != "scores":
            self._first = []
        return {"event": "drift", "of": what, "evidence": round(capital, 1), "meaning": MEANING[what]}
