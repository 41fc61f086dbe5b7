"""How fast a folder of wavs becomes features, beside the bare forward pass of the encoder."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from shown import show

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"


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
