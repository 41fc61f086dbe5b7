"""What 64 machines of 1,000 clips cost over the build that asked every shard for every machine, and over 4 machines.

Features are made up (:mod:`stage_costs`) and recordings last a moment (:mod:`tiny_recordings`): measured are scoring,
and a second run that has nothing to do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import show
from inferring import BEFORE, CHECKOUT
from tiny_recordings import write_machines

MACHINES, FEW, CLIPS = 64, 4, 1_000
COSTS = Path(__file__).with_name("stage_costs.py")


def many_machines() -> list[bool]:
    """Scoring and a run with nothing to do over the earlier build, and scoring a clip over that of few machines."""
    builds = {"before": CHECKOUT / ".venv" / "bin" / "python", "now": Path(sys.executable)}
    if not builds["before"].exists():
        print(f"skip  many machines over commit {BEFORE}, which has no build here")
        return []
    seconds: dict[tuple[str, int, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for machines in (FEW, MACHINES):
            data = write_machines(Path(folder) / f"data{machines}", machines, CLIPS)
            for build, python in builds.items():
                place = Path(folder) / f"{build}{machines}"
                run_stages(python, data, place)  # features come to be
                for name in ("scores", "fitted", "ranges"):
                    shutil.rmtree(place / "store" / name, ignore_errors=True)  # the earlier build keeps fewer
                seconds[build, machines, "score"] = run_stages(python, data, place)["score"]
                warm = (run_stages(python, data, place)["total"] for _ in range(2))
                seconds[build, machines, "warm"] = min(warm)
    scoring = {build: seconds[build, MACHINES, "score"] for build in builds}
    again = {build: seconds[build, MACHINES, "warm"] for build in builds}
    a_clip = scoring["now"] / seconds["now", FEW, "score"] * FEW / MACHINES
    what = f"{MACHINES} machines x {CLIPS:,} clips"
    show(f"scoring {what}: CPU", scoring["now"], None, "s")
    show(f"a run of {what} with nothing to do: CPU", again["now"], None, "s")
    return [
        show(f"scoring {what} over {BEFORE}, CPU", scoring["now"] / scoring["before"], 7 / 62.5, "times"),
        show(f"scoring a clip of {MACHINES} machines over one of {FEW}, CPU", a_clip, 1.3, "times"),
        show(f"a run with nothing to do over {BEFORE}, CPU", again["now"] / again["before"], 2 / 10.2, "times"),
    ]


def run_stages(python: Path, data: Path, place: Path, portfolio: str = "logmel-knn") -> dict[str, float]:
    """Run a portfolio with made-up features; return the CPU seconds of each stage and in all, and ``peak_mb``."""
    command = [python, COSTS, portfolio, data, place / "store", place / "run"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stderr}")
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds
