"""What freezing and verifying cost a clip, in CPU time, memory and bytes, over the build at 7132241.

Two sizes of a set of tiny recordings give the cost of one clip more; what a million take is extrapolated from it, said
as such. Features are made up. This build does here what it does with many more clips: it lists recordings in shards,
of 4,000 instead of 16,384, and tables hold 4,000 rows together instead of 65,536.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from figures import show
from inferring import BEFORE, CHECKOUT
from tiny_recordings import write_machines

SIZES, CLIPS, WANTED = (16, 48), 1000, 1_000_000
"""Machines in either set, clips of each, and the clips that are extrapolated to."""

MEMORY = 0.2
"""What memory may grow by, over what it grew by: what is left are 40 bytes a clip, and the manifest itself."""

ROWS = 4000
"""Rows that a table holds together here."""

STAGE_COSTS = Path(__file__).with_name("stage_costs.py")
FROZEN = """
import resource, sys, time
import asdcore
try:
    from asdcore.frozen.manifest import shards
    shards.MANY, shards.ROWS = 500, 4000
except ImportError:
    pass
command, run, manifest = sys.argv[1:]
started = time.process_time()
if command == "freeze":
    asdcore.freeze(run, manifest)
elif not asdcore.verify(manifest).passed:
    raise SystemExit("it differs")
print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def freezing_many() -> list[bool]:
    """Freeze and verify two sizes of a run, by both builds in turn."""
    before, now = CHECKOUT / ".venv" / "bin" / "python", Path(sys.executable)
    if not before.exists():
        print(f"skip  freeze and verify over commit {BEFORE}, which has no build here (ASDCORE_BEFORE)")
        return []
    costs: dict[Path, list[dict[str, tuple[float, float]]]] = {before: [], now: []}
    sizes: dict[Path, list[int]] = {before: [], now: []}
    with tempfile.TemporaryDirectory() as folder:
        for machines in SIZES:
            data = write_machines(Path(folder) / f"{machines} machines", machines, CLIPS)
            for build in (before, now):
                place = Path(folder) / f"{machines} machines {build == now}"
                costs[build].append(of_one(build, data, place))
                sizes[build].append(manifest_bytes(place / "frozen.json"))
    promises = []
    for command in ("freeze", "verify"):
        slopes = {build: slope([cost[command] for cost in costs[build]]) for build in costs}
        told = {
            build: f"{command} of 1e6 clips, extrapolated, {BEFORE if build == before else 'now'}" for build in costs
        }
        for build in (before, now):
            show(f"{told[build]}: CPU", WANTED * slopes[build][0], None, "s")
            show(f"{told[build]}: memory", WANTED * slopes[build][1], None, "MB")
        promises.append(
            show(f"{command}, a clip more over {BEFORE}, CPU", slopes[now][0] / slopes[before][0], 0.5, "times")
        )
        promises.append(
            show(f"{command}, a clip more over {BEFORE}, memory", slopes[now][1] / slopes[before][1], MEMORY, "times")
        )
    written = {build: float(many - few) for build, (few, many) in sizes.items()}
    return [
        *promises,
        show(f"manifest, a clip more over {BEFORE}, bytes", written[now] / written[before], 0.5, "times"),
    ]


def of_one(build: Path, data: Path, place: Path) -> dict[str, tuple[float, float]]:
    """Run, freeze and verify a set; return CPU seconds and MB of the latter two, the cheapest of two."""
    place.mkdir()
    portfolio = CHECKOUT / "manifests" / "logmel-knn.toml"
    run = [build, STAGE_COSTS, portfolio, data, place / "store", place / "run", "made up", str(ROWS)]
    subprocess.run(run, check=True, capture_output=True)
    return {command: min(_cost(build, command, place) for _ in range(2)) for command in ("freeze", "verify")}


def _cost(build: Path, command: str, place: Path) -> tuple[float, float]:
    arguments = [build, "-c", FROZEN, command, place / "run", place / "frozen.json"]
    seconds, peak = subprocess.check_output(arguments, text=True).split()[-2:]
    return float(seconds), float(peak)


def slope(costs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return what one clip more takes, in CPU seconds and MB."""
    more = (SIZES[1] - SIZES[0]) * CLIPS
    return tuple((large - small) / more for small, large in zip(*costs, strict=True))  # type: ignore[return-value]


def manifest_bytes(path: Path) -> int:
    """Return the bytes of a manifest, its shards included."""
    shards = path.with_name(f"{path.name}.shards")
    return path.stat().st_size + sum(file.stat().st_size for file in shards.glob("*") if shards.is_dir())
