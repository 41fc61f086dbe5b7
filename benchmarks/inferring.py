"""What an inference and a run cost in CPU, over the build that fitted every scorer again and imported torch for a mel.

Both builds do the same on the same recordings, in turn, so that other work on this machine slows down both.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import show

import asdcore

ROOT = Path(__file__).parents[1]
BEFORE = "7132241"
CHECKOUT = Path(os.environ.get("ASDCORE_BEFORE", ROOT / "build" / BEFORE))
"""A checkout of that commit with a virtual environment of its own."""


def inferring() -> list[bool]:
    """One clip and 560 clips of a frozen run of seven machines, and a run of ``default`` from nothing."""
    before, now = CHECKOUT / ".venv" / "bin" / "asdcore", Path(sys.executable).parent / "asdcore"
    if not before.exists():
        print(
            f"skip  inference over commit {BEFORE}, which has no build here: 'git worktree add --detach build/{BEFORE} "
            f"{BEFORE} && make -C build/{BEFORE} venv' makes one (ASDCORE_BEFORE names another place)"
        )
        return []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = asdcore.synthesize(root / "data", "demo")
        evaluation_set(data, root / "560", 80)
        evaluation_set(data, root / "1", 1, data / "SynFan")
        cold = {build: run_and_freeze(build, root, data) for build in (before, now)}
        one, many = (cheapest((before, now), root, clips, times) for clips, times in (("1", 5), ("560", 3)))
    show("infer of one clip, seven machines: CPU", one[now], None, "s")
    show("infer of 560 clips, seven machines: CPU", many[now], None, "s")
    return [
        show(f"infer of one clip over {BEFORE}, CPU", one[now] / one[before], 1 / 3, "times"),
        show(f"infer of 560 clips over {BEFORE}, CPU", many[now] / many[before], 1 / 2, "times"),
        show(f"run of default from nothing over {BEFORE}, CPU", cold[now] / cold[before], 1.0, "times"),
    ]


def evaluation_set(data: Path, root: Path, clips: int, *machines: Path) -> None:
    """Copy test clips of each machine under names that say nothing of their labels."""
    for machine in machines or sorted(path for path in data.iterdir() if (path / "test").is_dir()):
        (root / machine.name / "test").mkdir(parents=True)
        for n, clip in enumerate(sorted((machine / "test").iterdir())[:clips]):
            shutil.copy(clip, root / machine.name / "test" / f"section_00_{n:04d}.wav")


def run_and_freeze(build: Path, root: Path, data: Path) -> float:
    """Run ``default`` into an empty store and freeze it; return the CPU seconds of the run."""
    place = place_of(build, root)
    place.mkdir()
    cpu_seconds(build, "--version")  # its modules are compiled
    options = ("--task", "dcase2026", "--out", place / "run", "--store", place / "store")
    seconds = cpu_seconds(build, "run", "default", "--data", data, *options)
    cpu_seconds(build, "freeze", place / "run", "--out", place / "frozen.json")
    return seconds


def cheapest(builds: tuple[Path, ...], root: Path, clips: str, times: int) -> dict[Path, float]:
    """Return the CPU seconds of each build's cheapest inference of several."""
    seconds: dict[Path, list[float]] = {build: [] for build in builds}
    for _ in range(times):
        for build in builds:
            manifest, out = place_of(build, root) / "frozen.json", place_of(build, root) / "final"
            seconds[build].append(cpu_seconds(build, "infer", manifest, "--data", root / clips, "--out", out))
            shutil.rmtree(out)
    return {build: min(of_build) for build, of_build in seconds.items()}


def place_of(build: Path, root: Path) -> Path:
    """Return where one build writes."""
    return root / ("before" if build.is_relative_to(CHECKOUT) else "now")


def cpu_seconds(*command: str | Path) -> float:
    """Return the CPU seconds of a command; what Python compiles is kept, as it is where asdcore is installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
