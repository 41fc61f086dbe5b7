"""How fast a folder of wavs becomes features, beside the bare forward pass of the encoder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from figures import show

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"

ROUNDS = 9
"""The median of so many ratios counts, each of two works done one right after the other: a machine's pace drifts."""

SLOWER = 1 / 0.9
"""Embedding over the bare forward pass, at most."""

CROWDED = 1.2
"""Two threads over one, in seconds for the same work each: from here on no second core is free, and wall times of a
round say nothing of what runs beside what."""


def embedding() -> list[bool]:
    """Embedding a folder of wavs runs at the rate of the bare forward pass: sound is got ready beside it.

    The forward pass of clips already prepared, in memory, beside the stage that decodes, resamples, prepares, runs and
    writes. In both the network computes on one thread, a clip at a time: that is how a clip's features are the same
    bits on any machine. Turned round, so that over is over: 90 % of the rate is 1 / 0.9 of the time.

    BEATs of full size with random weights: its forward pass outweighs all else, so the promise holds for CPU time too,
    however busy the machine. And the small mn04, where its weights are at hand: reading a clip and its front end take
    nearly as long as its network, which only a second core can hide; wall times say nothing where none is free.
    """
    kept: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        large = {"name": "beats", "checkpoint": str(beats_of_full_size(Path(folder)))}
        kept += _embedding("BEATs", large, 2, Path(folder) / "beats", cpu=SLOWER, wall=SLOWER)
        if MN04.is_file():
            small = {"name": "efficientat", "checkpoint": str(MN04), "layer": 13}
            kept += _embedding("mn04", small, 64, Path(folder) / "mn04", cpu=None, wall=SLOWER)
    return kept


def beats_of_full_size(folder: Path) -> Path:
    """Write a checkpoint of BEATs in its published size, with random weights; returns the file."""
    import torch

    keys = json.loads((ROOT / "tests" / "golden" / "encoders" / "beats" / "keys.json").read_text())
    generator = torch.Generator().manual_seed(0)
    weights = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in keys["keys"].items()}
    bias = next(name for name in weights if "relative_attention_bias" in name)
    weights |= {name: weights[bias] for name in weights if "relative_attention_bias" in name}
    torch.save({"cfg": keys["cfg"], "model": weights}, folder / "beats.pt")
    return folder / "beats.pt"


def _crowded() -> float:
    """Return how much longer two threads take than one: 1 where a second core is free, 2 where there is none."""
    block = bytes(1 << 25)

    def took(threads: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            started = time.perf_counter()
            list(pool.map(lambda _: hashlib.sha256(block).digest(), range(threads)))
            return time.perf_counter() - started

    return min(took(2) for _ in range(5)) / min(took(1) for _ in range(5))


def _embedding(
    name: str, encoder: dict[str, object], n: int, folder: Path, *, cpu: float | None, wall: float | None
) -> list[bool]:
    """Show the time of embedding over that of the bare forward pass, right after it; returns whether promises hold.

    cpu, wall : what is promised of either.
    """
    bare, embedded = _work(encoder, n, folder)
    rounds = [(_clocks(bare), _clocks(embedded), _crowded()) for _ in range(ROUNDS)]
    free = [one for one in rounds if one[2] < CROWDED]
    show(f"{name}: clips of 10 s a second, embedded", n / median(ours[1] for _, ours, _ in rounds), None, "1/s")
    show(f"{name}: rounds after which a second core was free", len(free), None, f"of {ROUNDS}")
    kept = []
    for i, what, promised, counted in ((0, "CPU", cpu, rounds), (1, "wall", wall if free else None, free or rounds)):
        ratio = median(ours[i] / theirs[i] for theirs, ours, _ in counted)
        held = show(f"{name}: embedding over the bare forward pass, {what}", ratio, promised, "times")
        kept += [] if promised is None else [held]
    return kept


def _clocks(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of CPU and of wall time that some work takes."""
    clocks = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - clocks[0], time.perf_counter() - clocks[1]


def _work(encoder: dict[str, object], n: int, folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Write n wavs of 10 s; returns the bare forward pass of them, prepared and in memory, and embedding the folder."""
    import numpy as np
    import soundfile

    from asdcore import load_dataset
    from asdcore.compute.encoding import encoding
    from asdcore.compute.encoding.built_encoders import built_encoder
    from asdcore.compute.threads import single_threaded
    from asdcore.contract.plugins import installed
    from asdcore.portfolio import parse_portfolio
    from asdcore.stages.embedding import embed
    from asdcore.store.cache import Store

    rng = np.random.default_rng(0)
    (folder / "fan" / "train").mkdir(parents=True)
    for i in range(n):
        name = f"section_00_source_train_normal_{i:04d}_x.wav"
        soundfile.write(folder / "fan" / "train" / name, 0.05 * rng.normal(size=160_000), 16_000, subtype="PCM_16")
    branches = {"b": {"encoder": encoder, "scorer": "knn"}}
    plan = parse_portfolio({"name": "p", "branches": branches, "systems": {"S": {"weights": {"b": 1}}}})
    clips = load_dataset("dcase").clips(folder)
    jobs = embed.plan(clips, folder, plan.branches, Store(folder / "store"), installed(), None)
    (request,), layer = jobs[0].requests, [plan.branches["b"].encoder.layer]
    built = built_encoder(request, None)
    layers = layer if layer[0] is not None else built.layers[-1:]
    ready = [encoding.prepare(*embed.decode(*clip), jobs[0].requests, None)[0] for job in jobs for clip in job.clips]

    def bare() -> None:
        with single_threaded():
            for one in ready:
                built.encode_prepared([one], layers)

    def embedded() -> None:
        for job in jobs:
            embed.embed(job)

    return bare, embedded
