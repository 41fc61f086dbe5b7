"""Keeps what follows from a log beside it, so that a restart need not read a year of windows.

The log stays the only memory: a checkpoint says of how many bytes it was made and what their digest is, and counts for
nothing if the log begins otherwise, if it is damaged, or if other code or settings made it. Then all of the log is
read, as without it. So it may be lost, or be older than the log, and a kill while it is written does no harm.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.monitor.journal import Journal
from asdcore.monitor.past import Past, Settings
from asdcore.store.disk.atomic import atomic_path

EVERY = 16_000_000
"""Bytes of log after which one is written: some 60,000 windows, which take two seconds of CPU to read."""

LARGE = 4
"""A checkpoint of many bytes is written when the log has grown by a quarter of them, so that disks are spared."""

STATE = "state"
ARRAY = "\0array"
"""Stands for an array in the state; no recording is named so."""


class Checkpoints:
    """The checkpoint of one monitor, which is written anew from time to time.

    Parameters
    ----------
    journal : Journal
        The log.
    settings : Settings
        How the monitor listens.
    """

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self.path = journal.path.with_name(f"{journal.path.name}.checkpoint")
        self._journal, self._settings = journal, settings
        self._length, self._lines, self._size = 0, 0, 0

    def past(self) -> Past:
        """Return what follows from the log, of which only what no checkpoint knows is read."""
        past = self._restored() or Past(self._settings)
        for line in self._journal.lines(self._length, self._lines):
            past.read(line)
        self.offer(past)
        return past

    def offer(self, past: Past) -> None:
        """Write a checkpoint if the log has grown by enough since the last; without room for it nothing is lost."""
        grown = self._journal.size - self._length
        if grown >= max(EVERY, self._size // LARGE):
            with suppress(StoreError, OSError):
                self.write(past)

    def write(self, past: Past) -> None:
        """Write a checkpoint of what follows from all of the log."""
        self._length = self._journal.size
        arrays: dict[str, NDArray[np.float64]] = {}
        digest, lines = self._journal.prefix(self._length)
        facts = {
            "length": self._length,
            "lines": lines,
            "log": digest,
            "made_by": _made_by(self._settings),
            "past": _apart(past.state(), arrays),
        }
        state = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        with atomic_path(self.path) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **{STATE: state}, **arrays)
        self._size = self.path.stat().st_size

    def _restored(self) -> Past | None:
        """Return what the checkpoint knows, None if there is none that fits."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                facts = json.loads(stored[STATE].tobytes())
                if facts["made_by"] != _made_by(self._settings) or facts["length"] > self._journal.size:
                    return None
                if (facts["log"], facts["lines"]) != self._journal.prefix(facts["length"]):
                    return None
                past = Past(self._settings)
                past.restore(_together(facts["past"], stored))
        except Exception:  # every decompressor of a zip file has errors of its own
            return None
        self._length, self._lines, self._size = facts["length"], facts["lines"], self.path.stat().st_size
        return past


def _apart(state: Any, arrays: dict[str, NDArray[np.float64]]) -> Any:
    """Return nested state as JSON values, with the names of its arrays, which are added to ``arrays``, for them."""
    if isinstance(state, dict):
        return {name: _apart(value, arrays) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        name = f"array {len(arrays)}"
        arrays[name] = state
        return {ARRAY: name}
    return state


def _together(state: Any, arrays: Any) -> Any:
    """Return what :func:`_apart` took apart."""
    if not isinstance(state, dict):
        return state
    if state.keys() == {ARRAY}:
        return arrays[state[ARRAY]]
    return {name: _together(value, arrays) for name, value in state.items()}


def _made_by(settings: Settings) -> str:
    """Return the digest of all but the log that a checkpoint follows from: train normals, settings and our own code."""
    digest = hashlib.blake2b(repr((settings.seconds, settings.hop, settings.rule)).encode())
    digest.update(settings.normals.tobytes())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
