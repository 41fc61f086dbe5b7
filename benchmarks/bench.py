"""Speed and memory, measured as whole processes where a person would wait for them.

Absolute times say something about this machine only; each promise that can be is a ratio of two things measured side by
side in this run. Run it with ``make bench``; the real recordings are used where ASDCORE_SHARED has them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from block_maps import block_maps
from choosing import choosing
from cluster import cluster
from cold_runs import cold_runs
from detectors import detectors
from embedding import embedding
from exact import exact
from exchange import exchange
from figures import show
from freezing import hashing, manifest
from freezing_many import freezing_many
from gaussians import gaussians
from held_out import held_out
from inferring import inferring
from large_banks import large_banks
from long_recordings import long_recordings
from many_machines import many_machines
from million_clips import million_clips
from monitor_year import monitor_year
from monitoring import monitoring
from reporting import reporting
from scoring import scoring
from trained_recipe import trained_recipe
from training import training
from uncertainty import uncertainty

ROOT = Path(__file__).parents[1]
ASDCORE = Path(sys.executable).parent / "asdcore"
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
TOYCAR = SHARED / "data" / "dcase2023_toycar_small"


@dataclass(frozen=True)
class Cost:
    """What a finished process used: CPU and wall seconds, peak resident memory in MB."""

    cpu: float
    wall: float
    peak: float


def cost(*command: str | Path, repeat: int = 1) -> Cost:
    """Run a command and return the cheapest of ``repeat`` runs: the rest is other people's work."""
    return min((_cost(command) for _ in range(repeat)), key=lambda one: one.cpu)


def _cost(command: tuple[str | Path, ...]) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen([str(one) for one in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(str(one) for one in command)} failed with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1024)


def start_up() -> list[bool]:
    """The command line answers before a person notices."""
    python = cost(sys.executable, "-c", "pass", repeat=5)
    libraries = cost(sys.executable, "-c", "import typer, pluggy, numpy", repeat=5)
    kept = []
    for command in ("--help", "plugins"):
        used = cost(ASDCORE, command, repeat=5)
        kept.append(show(f"asdcore {command}: CPU", used.cpu, 0.5, "s"))
        show(f"asdcore {command}: CPU over that of its imports alone", used.cpu / libraries.cpu, None, "times")
    listed = cost(sys.executable, "-c", "from asdcore.contract.plugins import installed; installed()", repeat=5)
    kept.append(show("listing the plugins without the command line: CPU", listed.cpu, 0.2, "s"))
    show("python -c pass: CPU, for comparison", python.cpu, None, "s")
    return kept


def real_run() -> list[bool]:
    """A real machine, cold and warm. The yardstick is importing torch, which any of this has to do once."""
    if not TOYCAR.is_dir():
        print(f"skip  the real ToyCar run: {TOYCAR} is absent (set ASDCORE_SHARED)")
        return []
    torch = cost(sys.executable, "-c", "import torch", repeat=3)
    with tempfile.TemporaryDirectory() as folder:
        out, store = Path(folder) / "run", Path(folder) / "store"
        portfolio = Path(folder) / "portfolio.toml"
        portfolio.write_text((ROOT / "manifests" / "logmel-knn.toml").read_text())
        command = (ASDCORE, "run", portfolio, "--data", TOYCAR, "--task", "dcase2023", "--out", out, "--store", store)
        cold = cost(*command)
        portfolio.write_text(portfolio.read_text().replace("near_knn = 1.0", "near_knn = 2.0"))
        warm = cost(*command, repeat=3)
        judged = cost(ASDCORE, "evaluate", out, repeat=3)
    kept = [
        show("ToyCar, 408 clips, cold: CPU", cold.cpu, 25, "s"),
        show("ToyCar, cold: peak memory", cold.peak, 1500, "MB"),
        show("ToyCar, warm, other weights: CPU", warm.cpu, 3, "s"),
    ]
    show("ToyCar, cold: CPU over that of importing torch", cold.cpu / torch.cpu, None, "times")
    show("ToyCar, warm: CPU over that of importing torch", warm.cpu / torch.cpu, None, "times")
    show("asdcore evaluate: CPU", judged.cpu, None, "s")
    return kept


def evaluation() -> list[bool]:
    """Nine machines of 200 clips, beside one pass of scikit-learn's roc_auc_score over the same cells."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from asdcore.evidence.metrics import cells, official_score

    rng = np.random.default_rng(0)
    labels, domains = np.repeat([0, 1], 100), np.tile(np.repeat(["source", "target"], 50), 2)
    scores = rng.normal(size=(9, 200)) + labels

    def ours() -> None:
        official_score({(str(m), "00"): cells(row, labels, domains, 2026) for m, row in enumerate(scores)}, 2026)

    def theirs() -> None:
        for row in scores:
            for domain in ("source", "target"):
                mask = (domains == domain) | (labels == 1)
                roc_auc_score(labels[mask], row[mask])
            roc_auc_score(labels, row, max_fpr=0.1)

    seconds = {}
    for name, work in (("ours", ours), ("theirs", theirs)):
        times = []
        for _ in range(20):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        seconds[name] = min(times)
    ratio = seconds["ours"] / seconds["theirs"]
    return [
        show("evaluation of 9 machines x 200 clips", seconds["ours"], 0.1, "s"),
        show("evaluation over a scikit-learn loop of the same cells", ratio, 1.0, "times"),
    ]


def reading() -> list[bool]:
    """Reading features costs twice as much for twice the clips, not four times."""
    import numpy as np

    from asdcore.store.cache import Store

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in (5_000, 10_000):
            features = Store(Path(folder)).features({"n": n})
            names = [f"{i:064x}" for i in range(n)]
            for start in range(0, n, 64):
                chunk = names[start : start + 64]
                features.write(chunk, [np.zeros(768, np.float32)] * len(chunk))
            started = time.perf_counter()
            features.load(names)
            seconds[n] = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    show("reading 10,000 x 768 features", seconds[10_000], None, "s")
    show("peak memory of this process after it", peak, None, "MB")
    return [show("reading 10,000 features over 5,000", seconds[10_000] / seconds[5_000], 3.0, "times")]


def fusing() -> list[bool]:
    """Fusing costs twice as much for twice the clips: four branches, a transform and a guard."""
    import numpy as np
    import polars as pl

    from asdcore.contract.plugins import installed
    from asdcore.portfolio import load_portfolio
    from asdcore.stages.fuse import fuse

    plan, rng, seconds = load_portfolio("demo"), np.random.default_rng(0), {}
    for n in (20_000, 40_000):
        names = [f"{i:08d}" for i in range(n)]
        clips = pl.DataFrame({"clip": names, "machine": "m", "section": "00", "domain": "source", "sha256": names})
        parts = [
            pl.DataFrame({"clip": names, "branch": branch, "z": rng.normal(size=n)}).with_columns(
                role=pl.when(pl.int_range(pl.len()) < n // 2).then(pl.lit("oof")).otherwise(pl.lit("test"))
            )
            for branch in plan.branches
        ]
        started = time.perf_counter()
        fuse(pl.concat(parts), clips, plan.systems, installed())
        seconds[n] = time.perf_counter() - started
    show("fusing 40,000 clips, three systems", seconds[40_000], None, "s")
    return [show("fusing 40,000 clips over 20,000", seconds[40_000] / seconds[20_000], 3.0, "times")]


def main() -> None:
    """Run every benchmark; exits with 1 where a promise is broken."""
    parts = (
        start_up,
        cluster,
        real_run,
        evaluation,
        uncertainty,
        reading,
        exchange,
        choosing,
        fusing,
        embedding,
        exact,
        scoring,
        held_out,
        block_maps,
        hashing,
        manifest,
        detectors,
        inferring,
        many_machines,
        reporting,
        large_banks,
        training,
        trained_recipe,
        gaussians,
        million_clips,
        long_recordings,
        monitoring,
        monitor_year,
        freezing_many,
        cold_runs,
    )
    kept = [one for part in parts for one in part()]
    print(f"{sum(kept)} of {len(kept)} promises kept")
    raise SystemExit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
