"""What a run from nothing costs in CPU: ASDKit's raw_spec over an earlier build, and two workers over one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from figures import show
from inferring import BEFORE, CHECKOUT, ROOT, cpu_seconds

RATE = 16_000
TIMES = 3


def cold_runs() -> list[bool]:
    """Runs that begin with an empty store, each the cheapest of three."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_raw_spec(Path(folder) / "raw_spec"), *_workers(Path(folder) / "workers")]


def _raw_spec(folder: Path) -> list[bool]:
    """Three machines of 310 clips of 6 s, by both builds in turn."""
    before, now = CHECKOUT / ".venv" / "bin" / "asdcore", Path(sys.executable).parent / "asdcore"
    if not before.exists():
        print(f"skip  raw_spec over commit {BEFORE}, which has no build here (see benchmarks/inferring.py)")
        return []
    write_machines(folder / "data", machines=3, source=200, target=10, test=25, seconds=6)
    seconds: dict[Path, list[float]] = {before: [], now: []}
    for _ in range(TIMES):
        for build, costs in seconds.items():
            home = CHECKOUT if build == before else ROOT
            costs.append(_cold(build, home / "manifests" / "asdkit" / "raw-spec.toml", folder)[0])
    show("raw_spec, 3 x 310 clips, cold: CPU", min(seconds[now]), None, "s")
    ratio = min(seconds[now]) / min(seconds[before])
    return [show(f"raw_spec, 3 x 310 clips, cold, over {BEFORE}, CPU", ratio, 0.75, "times")]


def _workers(folder: Path) -> list[bool]:
    """Four machines of 1,000 clips of 1 s by ``default``, on one worker and on two in turn; both write the same.

    A worker costs what it imports, once: NumPy, polars, pydantic, pyarrow, half a second of CPU. Workers are spawned.
    Forked from a server that has imported all that, two cost 0.16 less of one; but polars starts threads when it is
    imported, and a process with threads must not be forked.
    """
    now = Path(sys.executable).parent / "asdcore"
    write_machines(folder / "data", machines=4, source=780, target=20, test=50, seconds=1)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    tables = set()
    for _ in range(TIMES):
        for workers, costs in seconds.items():
            cost, written = _cold(now, "default", folder, "--workers", str(workers))
            costs.append(cost)
            tables.add(written)
    if len(tables) > 1:
        raise SystemExit("one worker and two wrote different systems")
    show("default, 4 x 1,000 clips of 1 s: CPU", min(seconds[1]), None, "s")
    return [
        show("default, 4 x 1,000 clips, two workers over one, CPU", min(seconds[2]) / min(seconds[1]), 1.1, "times")
    ]


def _cold(build: Path, portfolio: Path | str, folder: Path, *options: str) -> tuple[float, bytes]:
    """Run a portfolio into an empty store; return the CPU seconds, its workers' too, and the table of systems."""
    out, store = folder / "run", folder / "store"
    for each in (out, store):
        shutil.rmtree(each, ignore_errors=True)
    places = ("--data", folder / "data", "--task", "dcase2023", "--out", out, "--store", store)
    return cpu_seconds(build, "run", portfolio, *places, *options), (out / "systems.parquet").read_bytes()


def write_machines(root: Path, *, machines: int, source: int, target: int, test: int, seconds: float) -> None:
    """Write machines of humming noise; ``test`` clips of each domain and label."""
    rng, t = np.random.default_rng(0), np.arange(int(seconds * RATE)) / RATE
    splits = [("train", domain, "normal", n) for domain, n in (("source", source), ("target", target))]
    splits += [("test", domain, label, test) for domain in ("source", "target") for label in ("normal", "anomaly")]
    for machine in range(machines):
        for split, domain, label, count in splits:
            folder = root / f"machine{machine}" / split
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pitch = (130.0 if domain == "target" else 100.0) + 10.0 * (label == "anomaly") + 5.0 * rng.normal()
                hum = sum(np.sin(2.0 * np.pi * pitch * k * t + rng.uniform(0.0, 6.0)) for k in range(1, 6))
                sound = 0.05 * (hum + rng.normal(size=len(t)))
                name = f"section_00_{domain}_{split}_{label}_{i:04d}_noAttribute.wav"
                soundfile.write(folder / name, sound, RATE, subtype="PCM_16")
