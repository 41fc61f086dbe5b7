"""What a monitor's past costs after a year of windows, one each ten seconds: the next window, and a restart.

    python benchmarks/monitor_year.py

The year is made up: a log as long as a monitor writes it, and beside it a checkpoint of all that would follow from it.
It takes 1 GB of disk for half a minute. The restart is the longest there is, just before the next checkpoint.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import cpu_seconds, show

from asdcore.monitor.alarms import AlarmRule
from asdcore.monitor.checkpoint import EVERY, Checkpoints
from asdcore.monitor.drift import ExchangeabilityTest
from asdcore.monitor.journal import WINDOW, Journal
from asdcore.monitor.past import Past, Settings

YEAR = 365 * 24 * 360
AN_HOUR = 360
"""Windows of a recording."""

RNG = np.random.default_rng(0)
SETTINGS = Settings(10.0, 10.0, AlarmRule(3, 5, 16.5, 0.0), np.sort(RNG.gamma(4.0, size=5000)))


def monitor_year() -> list[bool]:
    """The drift test of a window after a year over that of the first; a restart after a year."""
    first, last = _drift_us(1000), _drift_us(YEAR)
    kept = [show("drift test of a window: CPU after a year over the first", last / first, 5, "times")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        _write_year(path)
        show("log of a year of windows", path.stat().st_size / 1e6, None, "MB")
        started = time.process_time()
        journal = Journal(path, {})
        past = Checkpoints(journal, SETTINGS).past()
        show("restart after a year, just before the next checkpoint: CPU", time.process_time() - started, None, "s")
        kept.append(show("windows that such a restart has lost", YEAR - past.count, 0, ""))
        journal.close()
    return kept


def _drift_us(heard: int) -> float:
    """Return the microseconds of CPU that a value takes after others."""
    test, values = ExchangeabilityTest("a", RNG.normal(size=heard)), RNG.normal(size=20_000).tolist()
    return cpu_seconds(lambda: [test.hear(value) for value in values], times=3) / len(values) * 1e6


def _write_year(path: Path) -> None:
    """Write a year's log, and a checkpoint of what follows from all but its last part."""
    journal, past = Journal(path, {}), Past(SETTINGS)
    lines = [_line(i) for i in range(10 * AN_HOUR)]
    block = "".join(lines).encode()
    after = EVERY * len(lines) // len(block)  # windows behind the checkpoint
    past.count = YEAR - after
    for number in range(past.count // AN_HOUR):
        names = {"recording": f"2026/night-{number:08d}.wav", "sha256": f"{number:064x}", "stamp": f"{number}-1"}
        past.finish({**names, "seconds": 3600.0, "stump": 0.0})
    state = past.state()
    for test in state["change"]["tests"].values():
        test |= {"n": past.count, "accounts": [1e-6] * 3, "before": np.sort(RNG.gamma(4.0, size=past.count))}
    past.restore(state)
    with path.open("ab") as file:
        for _ in range(past.count // len(lines)):
            file.write(block)
        file.write("".join(lines[: past.count % len(lines)]).encode())
    Checkpoints(journal, SETTINGS).write(past)
    journal.close()
    with path.open("a") as file:
        file.writelines(_line(i) for i in range(past.count, YEAR))


def _line(number: int) -> str:
    """Return a line of the log, as long as a monitor writes it."""
    place, window = {"recording": f"2026/night-{number // AN_HOUR:08d}.wav"}, number % AN_HOUR
    told: dict[str, Any] = {"start": 10.0 * window, "sample": 160_000 * (window + 1), "end": 10.0 * window + 10}
    told |= {"level": round(-40 + float(RNG.normal()), 2), "score": float(RNG.gamma(4.0)), "p_value": 0.5123}
    told |= {"above": False, "spectrum": RNG.uniform(-3, -1, 8).round(3).tolist(), "branches": {}}
    return json.dumps({"kind": WINDOW, **place, **told}, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    raise SystemExit(not all(monitor_year()))
