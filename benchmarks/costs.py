"""Prints what every step costs at 1, 4, 16 and 64 machines, as the table of docs/costs.md.

    python benchmarks/costs.py --clips 100 --seconds 1

The last column is no measurement: from 16 to 64 machines each step grew by so much a clip, and 1,000 machines of 1,000
clips are taken to cost that much for each clip more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tiny_recordings import RATE, write_machines

MACHINES = (1, 4, 16, 64)
LARGE = 1_000_000
"""Clips of the last column."""

STAGES = {"clips": "list the recordings", "embed": "embed", "score": "score", "fuse": "calibrate, fuse, decide"}
HERE = Path(__file__).parent
ASDCORE = Path(sys.executable).parent / "asdcore"


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--clips", type=int, default=100, help="of each machine")
    options.add_argument("--seconds", type=float, default=1.0, help="of each clip")
    options.add_argument("--portfolio", default="logmel-knn")
    asked = options.parse_args()
    columns = [measured(machines, asked.clips, asked.seconds, asked.portfolio) for machines in MACHINES]
    clips = [machines * asked.clips for machines in MACHINES]
    numbers = " | ".join(f"{n} x {asked.clips}" for n in MACHINES)
    print(f"| machines x clips | {numbers} | 1,000 x 1,000, extrapolated |")
    print("|---|" + "---|" * (len(MACHINES) + 1))
    for step in columns[0]:
        cells = [f"{cpu:.1f} s, {peak:,.0f} MB" for cpu, peak in (column[step] for column in columns)]
        cpu, peak = (extrapolated(clips, [column[step][kind] for column in columns]) for kind in (0, 1))
        print(f"| {step} | {' | '.join(cells)} | {cpu:,.0f} s, {peak / 1000:,.1f} GB |")


def measured(machines: int, clips: int, seconds: float, portfolio: str) -> dict[str, tuple[float, float]]:
    """Return {step: (CPU seconds, peak MB)} of all steps, from recordings to a verified manifest."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = write_machines(place / "data", machines, clips, int(RATE * seconds))
        run, manifest = place / "run", place / "frozen.json"
        stages = (sys.executable, HERE / "stage_costs.py", portfolio, data, place / "store", run, "real")
        first, again = (json.loads(cost(*stages)[2].splitlines()[-1]) for _ in range(2))
        steps = {name: (first[stage], first["peak_mb"]) for stage, name in STAGES.items()}
        steps["a second run"] = again["total"], again["peak_mb"]
        commands = {
            "evaluate": ("evaluate", run),
            "report": ("report", run),
            "freeze": ("freeze", run, "--out", manifest),
            "verify": ("verify", manifest),
        }
        return steps | {name: cost(ASDCORE, *command)[:2] for name, command in commands.items()}


def cost(*command: str | Path) -> tuple[float, float, str]:
    """Run a command; return its CPU seconds, its peak memory in MB, and what it printed."""
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(list(map(str, command)), stdout=printed, stderr=subprocess.PIPE, text=True)
        told = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))} failed with {process.returncode}:\n{told}")
        printed.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed.read()


def extrapolated(clips: list[int], values: list[float]) -> float:
    """Return the value at LARGE clips on the line through the last two measurements."""
    slope = max(0.0, (values[-1] - values[-2]) / (clips[-1] - clips[-2]))
    return values[-1] + slope * (LARGE - clips[-1])


if __name__ == "__main__":
    main()
