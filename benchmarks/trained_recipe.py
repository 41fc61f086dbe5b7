"""What a whole trained recipe costs, in one process: train, extract, score and evaluate three machines."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from figures import show

MACHINES, SOURCE, TARGET, TEST = ("fan", "pump", "valve"), 200, 10, 10
SECONDS, BATCH, EPOCHS, TRIED = 6, 64, 4, 3

START_UPS, START_UP = 3, 8.7 / 1.9
"""A peer starts a process a machine to train, to extract and to score. Each took 8.7 CPU seconds where its training
step took 1.9, so it is counted in steps: a loaded machine makes both slower."""

RECIPE = 0.5
"""The whole recipe over the peer's, at most, in CPU time."""

PORTFOLIO = f"""
name = "recipe"
[branches.a]
encoder = {{ name = "discriminative", network = {{ name = "multi_branch" }}, loss = {{ name = "sub_cluster_adacos" }}, \
augment = ["mixup"], seconds = {SECONDS}, epochs = {EPOCHS}, batch = {BATCH} }}
scorer = {{ name = "knn", k = 1, metric = "cosine" }}
[systems.a]
weights = {{ a = 1.0 }}
"""

RUN = """
import sys
import asdcore
folder = sys.argv[1]
asdcore.run(f"{folder}/recipe.toml", f"{folder}/data", f"{folder}/run", store=f"{folder}/store", task="dcase2023")
asdcore.evaluate(f"{folder}/run")
"""


def trained_recipe() -> list[bool]:
    """Train four epochs, extract, score and evaluate, for three machines of 210 train clips of 6 s, in one process.

    The peer is a plain loop of as many steps and forward passes, of which a few are taken here, and its start-ups.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", RUN, folder], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peer = _step() * (_steps() + START_UPS * START_UP * len(MACHINES))
    show("a whole trained recipe of three machines, CPU", ours, None, "s")
    return [show("a whole trained recipe over the peer's, CPU", ours / peer, RECIPE, "times")]


def _write(folder: Path) -> None:
    import numpy as np
    import soundfile

    rng = np.random.default_rng(0)
    names = [f"source_train_normal_{i:04d}_speed_{i % 4}" for i in range(SOURCE)]
    names += [f"target_train_normal_{i:04d}_speed_9" for i in range(TARGET)]
    names += [
        f"{domain}_test_{label}_{i:04d}_speed_{i % 4}"
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(TEST // 2)
    ]
    for machine in MACHINES:
        for name in names:
            path = folder / "data" / machine / ("test" if "_test_" in name else "train") / f"section_00_{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.05 * rng.normal(size=SECONDS * 16000), 16000, subtype="PCM_16")
    (folder / "recipe.toml").write_text(PORTFOLIO)


def _steps() -> float:
    """Return how many steps of a batch a training takes; a forward pass of every clip, a third of a step, included."""
    clips = len(MACHINES) * (SOURCE + TARGET)
    return EPOCHS * -(-clips // BATCH) + (clips + len(MACHINES) * 2 * TEST) / BATCH / 3


def _step() -> float:
    """Return the CPU seconds of a plain training step."""
    import torch
    from plain_training import CLASSES, RATE, PlainTraining

    torch.set_num_threads(1)
    wave, plain = 0.1 * torch.randn(BATCH, SECONDS * RATE), PlainTraining(SECONDS * RATE)
    labels = torch.eye(CLASSES)[torch.randint(CLASSES, (BATCH,))]
    plain.step(wave, labels)
    taken = []
    for _ in range(TRIED):
        started = time.process_time()
        plain.step(wave, labels)
        taken.append(time.process_time() - started)
    return median(taken)


if __name__ == "__main__":
    sys.exit(not all(trained_recipe()))
