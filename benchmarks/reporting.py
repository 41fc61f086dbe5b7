"""What judging and reporting 16 machines costs, and how that compares with the build at 7132241.

Promised are seconds, not ratios: the earlier build's BLAS threads waited for each other, so that what it takes depends
on what else the cores do (``evaluate`` 1.2 CPU s at best and 4.9 beside two busy loops; with one BLAS thread 1.1 and
1.3).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from figures import show
from inferring import BEFORE, CHECKOUT, cpu_seconds
from many_machines import run_stages
from tiny_recordings import write_machines

MACHINES, CLIPS = 16, 1_000
PROMISED = {"evaluate": 0.8, "compare": 1.5, "report": 12.0}
"""CPU seconds."""


def reporting() -> list[bool]:
    """Evaluate, compare and report one run of ``default``, each build its own."""
    builds = {"before": CHECKOUT / ".venv" / "bin", "now": Path(sys.executable).parent}
    if not builds["before"].exists():
        print(f"skip  reporting over commit {BEFORE}, which has no build here")
        return []
    seconds: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = write_machines(Path(folder) / "data", MACHINES, CLIPS)
        for build, programs in builds.items():
            # The default of the earlier build has two systems, which a comparison needs.
            run_stages(programs / "python", data, Path(folder) / build, str(CHECKOUT / "manifests" / "default.toml"))
        for command in PROMISED:
            for build, programs in builds.items():
                run = Path(folder) / build / "run"
                seconds[command, build] = min(cpu_seconds(programs / "asdcore", command, run) for _ in range(2))
    kept = []
    for command, promised in PROMISED.items():
        kept.append(show(f"asdcore {command}, {MACHINES} machines: CPU", seconds[command, "now"], promised, "s"))
        ratio = seconds[command, "now"] / seconds[command, "before"]
        show(f"asdcore {command}, {MACHINES} machines over {BEFORE}, CPU", ratio, None, "times")
    return kept
