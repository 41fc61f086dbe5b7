"""What a training step and an embedding of the encoder ``discriminative`` cost, beside the plain way of the same."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from figures import cpu_seconds, show

SECONDS, BATCH, ROUNDS, STEPS = 6, 64, 5, 4
CLIPS = 32

STEP = 0.75
"""A step over the plain one, at most, in CPU time."""

EXTRACTION = 1.11
"""Embedding wavs over the bare forward pass of the same network, at most, in CPU time."""


def training() -> list[bool]:
    """A training step takes three quarters of a plain one, in no more memory; extraction adds a tenth to the network.

    Batches of 64 clips of 6 s, the multi-branch CNN with windows of 1024, sub-cluster AdaCos with 187 classes, mixup;
    one thread. Steps are taken in turns in one process, and the peak memory is that of two processes.
    """
    kept = _steps()
    peaks = {which: min(_peak(which) for _ in range(2)) for which in ("ours", "plain")}
    show("a training of 64 clips a batch: peak memory", peaks["ours"], None, "MB")
    kept.append(show("a training over the plain one, peak memory", peaks["ours"] / peaks["plain"], 1.0, "times"))
    return kept + _extraction()


def _steps() -> list[bool]:
    import torch

    torch.set_num_threads(1)
    ours, plain = (_step_of(which) for which in ("ours", "plain"))
    for step in (ours, plain):
        step()
    ratios, seconds = [], []
    for _ in range(ROUNDS):
        used = cpu_seconds(ours), cpu_seconds(plain)
        seconds.append(used[0])
        ratios.append(used[0] / used[1])
    show("a training step of 64 clips of 6 s, CPU", median(seconds), None, "s")
    return [show("a training step over the plain one, CPU", median(ratios), STEP, "times")]


def _step_of(which: str) -> Callable[[], float]:
    """Return what takes a step of a training, on the same noise."""
    import torch
    from plain_training import CLASSES, RATE, PlainTraining

    from asdcore_plugins.trained.augmentations.by_name import build_augmentation
    from asdcore_plugins.trained.learner import Learner
    from asdcore_plugins.trained.losses.by_name import build_loss
    from asdcore_plugins.trained.networks.by_name import build_network

    torch.manual_seed(0)
    wave = 0.1 * torch.randn(BATCH, SECONDS * RATE)
    labels = torch.eye(CLASSES)[torch.randint(CLASSES, (BATCH,))]
    if which == "plain":
        plain = PlainTraining(SECONDS * RATE)
        return lambda: plain.step(wave, labels)
    network = build_network("multi_branch", n_samples=SECONDS * RATE)
    loss = build_loss("sub_cluster_adacos", CLASSES, network.dim, trainable=True)
    learner = Learner(network, loss, [build_augmentation("mixup")])
    return lambda: learner.step(wave, labels)


def _peak(which: str) -> float:
    """Return the peak memory in MB of a process that takes some steps."""
    done = subprocess.run([sys.executable, __file__, which], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _extraction() -> list[bool]:
    """Read wavs, prepare and embed them, beside the network alone on clips that are ready."""
    import numpy as np
    import soundfile
    import torch

    import asdcore
    from asdcore.data.recordings.audio import decode
    from asdcore.store.digests.digest import file_digest

    encoder: Any = asdcore.load_encoder(
        "discriminative",
        network={"name": "multi_branch"},
        loss={"name": "sub_cluster_adacos"},
        seconds=SECONDS,
    )
    weights = {name: values.numpy() for name, values in encoder.model.trained_state().items()}
    encoder.restore({"network": weights, "classes": ["one"], "batch": BATCH})
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(CLIPS)]
        for path in paths:
            soundfile.write(path, 0.05 * rng.normal(size=SECONDS * 16000), 16000, subtype="PCM_16")
        digests = [file_digest(path) for path in paths]

        def embedded() -> None:
            for path, digest in zip(paths, digests, strict=True):
                audio, _ = decode(path, digest)
                encoder.encode_prepared([encoder.prepare(audio)], encoder.layers[-1:])

        ready = [encoder.prepare(decode(path, digest)[0]) for path, digest in zip(paths, digests, strict=True)]

        def bare() -> None:
            with torch.inference_mode():
                for clip in ready:
                    encoder.model(clip)

        torch.set_num_threads(1)
        bare(), embedded()
        ratios = [cpu_seconds(embedded) / cpu_seconds(bare) for _ in range(3 * ROUNDS)]
    return [show("embedding wavs of 6 s over the bare forward pass, CPU", median(ratios), EXTRACTION, "times")]


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    step = _step_of(sys.argv[1])
    for _ in range(STEPS):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
