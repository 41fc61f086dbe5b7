"""What leaving every train normal out costs ``mahalanobis``, over the build that took n^2 for it; and its growth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from figures import show
from inferring import BEFORE, CHECKOUT

LEFT_OUT = """
import json, resource, sys, time
import numpy as np
import asdcore
from threadpoolctl import threadpool_limits
n, width, together = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
mix = (rng.normal(size=(width, width)) * np.geomspace(3.0, 0.01, width)).astype(np.float32)
features = rng.standard_normal((n, width), dtype=np.float32) @ mix
sets = [np.arange(i - i % together, min(n, i - i % together + together)) for i in range(n)]
scorer = asdcore.load_scorer("mahalanobis")
with threadpool_limits(1):
    scorer.fit(features, np.full(n, "source"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    scorer.score_left_out(*([sets] if together > 1 else []))
    seconds = time.process_time() - started
    print(json.dumps([seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024]))
"""
CLIPS, WIDTH, RECORDING = 8_000, 128, 30


def gaussians() -> list[bool]:
    """Leave-one-out and leave-a-recording-out of 8,000 clips, and of twice as many."""
    now = Path(sys.executable)
    seconds, added = _left_out(now, CLIPS)
    twice, _ = _left_out(now, 2 * CLIPS)
    recordings, _ = _left_out(now, CLIPS, RECORDING)
    twice_recordings, _ = _left_out(now, 2 * CLIPS, RECORDING)
    show(f"mahalanobis, {CLIPS:,} x {WIDTH}, leave-one-out: CPU", seconds, None, "s")
    show(f"mahalanobis, {CLIPS:,} x {WIDTH}, leave recordings out: CPU", recordings, None, "s")
    kept = [
        show("mahalanobis, leave-one-out: memory beside the fit over the bank", added / bank_size(), 8.0, "times"),
        show("mahalanobis, leave-one-out of twice the clips, CPU", twice / seconds, 3.0, "times"),
        show("mahalanobis, leave recordings out of twice the clips, CPU", twice_recordings / recordings, 3.0, "times"),
    ]
    before = CHECKOUT / ".venv" / "bin" / "python"
    if not before.exists():
        print(f"skip  leave-one-out over commit {BEFORE}, which has no build here (see benchmarks/inferring.py)")
        return kept
    ratio = seconds / _left_out(before, CLIPS)[0]
    return [*kept, show(f"mahalanobis, leave-one-out over {BEFORE}, CPU", ratio, 1 / 20, "times")]


def bank_size() -> float:
    """Return the MB of the bank in double precision."""
    return CLIPS * WIDTH * 8 / 2**20


def _left_out(python: Path, clips: int, together: int = 1) -> tuple[float, float]:
    """Return CPU seconds and added MB of leaving clips out by one build, the cheapest of three processes."""
    command = [python, "-c", LEFT_OUT, *map(str, (clips, WIDTH, together))]
    runs = [json.loads(subprocess.check_output(command, text=True)) for _ in range(3)]
    return min(seconds for seconds, _ in runs), min(added for _, added in runs)
