"""Speed and memory, measured as whole processes where a person would wait for them.

Absolute times say something about this machine only; each promise that can be is a ratio of two things measured side by
side in this run. Run it with ``make bench``; the real recordings are used where ASDCORE_SHARED has them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASDCORE = Path(sys.executable).parent / "asdcore"
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"
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


def show(what: str, measured: float, promised: float | None, unit: str) -> bool:
    """Print one line; returns whether the promise is kept."""
    kept = promised is None or measured <= promised
    limit = "" if promised is None else f"promised {promised:g} {unit}"
    print(f"{'ok  ' if kept else 'OVER'}  {what:<58} {measured:9.3f} {unit:<6} {limit}")
    return kept


def start_up() -> list[bool]:
    """The command line answers before a person notices."""
    python = cost(sys.executable, "-c", "pass", repeat=5)
    libraries = cost(sys.executable, "-c", "import typer, pluggy, numpy", repeat=5)
    kept = []
    for command in ("--help", "plugins"):
        used = cost(ASDCORE, command, repeat=5)
        kept.append(show(f"asdcore {command}: CPU", used.cpu, 0.5, "s"))
        show(f"asdcore {command}: CPU over that of its imports alone", used.cpu / libraries.cpu, None, "times")
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


def embedding() -> list[bool]:
    """Embedding a folder of wavs runs at the rate of the bare forward pass: sound is got ready beside it.

    BEATs of full size with random weights: the forward pass of clips already prepared, in memory and on one thread,
    beside the stage that decodes, resamples, prepares, runs and writes. The small mn04 is shown beside it, where its
    weights are at hand: its front end costs as much as its network.
    """
    import torch

    keys = json.loads((ROOT / "tests" / "golden" / "encoders" / "beats" / "keys.json").read_text())
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        weights = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in keys["keys"].items()}
        bias = next(name for name in weights if "relative_attention_bias" in name)
        weights |= {name: weights[bias] for name in weights if "relative_attention_bias" in name}
        torch.save({"cfg": keys["cfg"], "model": weights}, Path(folder) / "beats.pt")
        share = _embedding({"name": "beats", "checkpoint": str(Path(folder) / "beats.pt")}, 6, Path(folder) / "beats")
        if MN04.is_file():
            small = {"name": "efficientat", "checkpoint": str(MN04), "layer": 13}
            show("mn04: bare forward pass over embedding", _embedding(small, 64, Path(folder) / "mn04"), None, "times")
    # Shown as a promise turned round, so that over is over: embedding takes at most 1 / 0.9 of the forward pass.
    return [show("BEATs: embedding over the bare forward pass, seconds", 1 / share, 1 / 0.9, "times")]


def _embedding(encoder: dict[str, object], n: int, folder: Path) -> float:
    """Return the seconds of the bare forward pass over those of embedding, the best of two pairs."""
    import numpy as np
    import soundfile

    from asdcore import encoding, load_dataset
    from asdcore.contract.plugins import installed
    from asdcore.execution import single_threaded
    from asdcore.portfolio import parse_portfolio
    from asdcore.stages import embed
    from asdcore.store.cache import Store

    rng = np.random.default_rng(0)
    (folder / "fan" / "train").mkdir(parents=True)
    for i in range(n):
        name = f"section_00_source_train_normal_{i:04d}_x.wav"
        soundfile.write(folder / "fan" / "train" / name, 0.05 * rng.normal(size=160_000), 16_000, subtype="PCM_16")
    branches = {"b": {"encoder": encoder, "scorer": "knn"}}
    plan = parse_portfolio({"name": "p", "branches": branches, "systems": {"S": {"weights": {"b": 1}}}})
    clips = load_dataset("dcase").clips(folder)
    jobs = embed.plan(clips, folder, plan.branches.values(), Store(folder / "store"), installed(), None)
    (request,), layer = jobs[0].requests, [plan.branches["b"].encoder.layer]
    built = encoding._encoder_of(request, None)
    layers = layer if layer[0] is not None else built.layers[-1:]
    ready = [encoding.prepare(*embed.decode(*clip), jobs[0].requests, None)[0] for job in jobs for clip in job.clips]
    shares = []
    for _ in range(2):
        with single_threaded():
            started = time.perf_counter()
            for one in ready:
                built.encode_prepared([one], layers)
            bare = time.perf_counter() - started
        started = time.perf_counter()
        for job in jobs:
            embed.embed(job)
        shares.append(bare / (time.perf_counter() - started))
    show(f"{encoder['name']}: clips of 10 s a second, embedded", max(shares) * n / bare, None, "1/s")
    return max(shares)


def hashing() -> list[bool]:
    """Verifying hashes runs at the rate of plain SHA-256 over the same files, or better: several are read at once."""
    import hashlib

    from asdcore.freeze.hashing import hash_files

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.wav" for i in range(1_000)]
        for i, file in enumerate(files):
            file.write_bytes(i.to_bytes(4, "little") * 80_000)
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(5):
            started = time.perf_counter()
            for file in files:
                hashlib.sha256(file.read_bytes()).hexdigest()
            seconds["plain"].append(time.perf_counter() - started)
            started = time.perf_counter()
            hash_files(map(str, files), Path)
            seconds["ours"].append(time.perf_counter() - started)
    ours, plain = min(seconds["ours"]), min(seconds["plain"])
    show("hashing 1,000 files of 320 kB", 0.32 / ours, None, "GB/s")
    return [show("verifying hashes over plain SHA-256, seconds", ours / plain, 1 / 0.8, "times")]


def manifest() -> list[bool]:
    """A manifest of 20,000 recordings is read, checked, and the first file hashed."""
    from asdcore.freeze.manifest import Subject, write_manifest
    from asdcore.freeze.verify import verify

    n, machines = 20_000, 20
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        names = [f"data/machine{i % machines:02d}/train/section_00_source_train_normal_{i:05d}.wav" for i in range(n)]
        subjects = [Subject(name, "audio", 320_044, f"{i:064x}") for i, name in enumerate(names)]
        subjects.append(Subject("run/run.json", "record", content=64 * "0"))
        lineage = {f"clips/machine{m:02d}/00": names[m::machines] for m in range(machines)} | {"environment": []}
        environment = {"packages": {}, "deterministic": {"device": "cpu"}}
        predicate = {"asdcore": "0", "name": "many", "portfolio": {}, "run": {}, "set_aside": [], "plugins": []} | {
            "roots": {"data": "data", "run": "run", "store": "store"}, "resources": [], "environment": environment,
            "splits": [], "looks": {}, "lineage": lineage,
        }  # fmt: skip
        write_manifest(home / "many.json", subjects, predicate, "2026-01-01T00:00:00Z")
        first = _FirstFile()
        started = time.perf_counter()
        verify(home / "many.json", progress=first)
        ready = first.reached - started
    return [show("20,000 recordings: from the manifest to the first hash", ready, 1.0, "s")]


class _FirstFile:
    """Progress that notes when the first file was done."""

    reached = 0.0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Note the first advance."""

        def advance(_: int) -> None:
            self.reached = self.reached or time.perf_counter()

        yield advance

    def note(self, text: str) -> None:
        """Say nothing."""


def main() -> None:
    """Run every benchmark; exits with 1 where a promise is broken."""
    kept = [*start_up(), *real_run(), *evaluation(), *reading(), *fusing(), *embedding(), *hashing(), *manifest()]
    print(f"{sum(kept)} of {len(kept)} promises kept")
    raise SystemExit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
