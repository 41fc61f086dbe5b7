"""Calibrating, fusing and deciding a million clips by eight branches, over the build at 7132241.

The table of scores is made up. It has all of the million clips, since the earlier build is not linear: twelve times the
CPU time for ten times the clips. That takes some minutes and 5 GB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from figures import show
from inferring import BEFORE, CHECKOUT

CLIPS, MACHINES, ROUNDS = 1_000_000, 8, 1
STAGES = """
import hashlib, resource, sys, time
import numpy as np
import polars as pl
from asdcore.contract.plugins import installed
from asdcore.portfolio import load_portfolio
from asdcore.stages import calibrate, decide, fuse

n, machines, plan = int(sys.argv[1]), int(sys.argv[2]), load_portfolio(sys.argv[3])
rng = np.random.default_rng(0)
each, train = n // machines, n // machines // 2
parts = []
for machine in range(machines):
    names = [f"M{machine}/{'train' if i < train else 'test'}/section_00_{i:07d}.wav" for i in range(each)]
    is_train = np.arange(each) < train
    columns = {
        "clip": names,
        "machine": [f"M{machine}"] * each,
        "section": ["00"] * each,
        "split": np.where(is_train, "train", "test"),
        "domain": np.where(np.arange(each) % 10 == 0, "target", "source"),
        "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
    }
    unknown = pl.when(pl.col("split") == "train").then(pl.col("domain"))
    parts.append(pl.DataFrame(columns).with_columns(domain=unknown))
clips = pl.concat(parts)
role = pl.when(pl.col("split") == "train").then(pl.lit("oof")).otherwise(pl.lit("test"))
rows = []
for name, branch in plan.branches.items():
    for reference in branch.scorer.parameters.get("references") or ["pooled"]:
        rows.append(
            clips.select(
                "clip", "machine", "section", "split", "domain", branch=pl.lit(name), reference=pl.lit(reference),
                fold=pl.lit(-1, pl.Int32), role=role, score=pl.Series(rng.normal(size=n)),
            )
        )
scores = pl.concat(rows)
for branch in plan.branches.values():  # their libraries are imported once, however many clips there are
    installed().build("normalizer", branch.normalizer.name, branch.normalizer.parameters)
before, first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
calibrated = calibrate.calibrate(scores, clips, plan.branches, installed())
systems = fuse.fuse(calibrated, clips, plan.systems, installed())
decide.decide(systems, clips, plan.decision)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time() - first, peak / 1024, (peak - before) / 1024)
"""


def million_clips() -> list[bool]:
    """CPU seconds and memory of the three stages, by this build and the one before, in turn."""
    before, now = CHECKOUT / ".venv" / "bin" / "python", Path(sys.executable)
    if not before.exists():
        print(f"skip  calibrate, fuse and decide over commit {BEFORE}, which has no build here (ASDCORE_BEFORE)")
        return []
    portfolio = CHECKOUT / "manifests" / "default.toml"
    cpu: dict[Path, list[float]] = {build: [] for build in (before, now)}
    peak: dict[Path, list[float]] = {build: [] for build in (before, now)}
    added: dict[Path, list[float]] = {build: [] for build in (before, now)}
    for _ in range(ROUNDS):
        for build in (before, now):
            command = [build, "-c", STAGES, str(CLIPS), str(MACHINES), portfolio]
            numbers = subprocess.check_output(command, text=True).split()
            for column, number in zip((cpu, peak, added), map(float, numbers), strict=True):
                column[build].append(number)
    show(f"the same by {BEFORE}", min(cpu[before]), None, "CPU s")
    return [
        show("calibrate, fuse and decide 1e6 clips x 8", min(cpu[now]), 10.0, "CPU s"),
        show("1e6 clips x 8: peak memory, with the table", min(peak[now]), 2000, "MB"),
        show(f"calibrate, fuse and decide over {BEFORE}, CPU", min(cpu[now]) / min(cpu[before]), 10 / 33, "times"),
        show(f"memory that they add over {BEFORE}", min(added[now]) / min(added[before]), 2.0 / 3.3, "times"),
    ]
