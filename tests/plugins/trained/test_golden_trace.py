"""Twenty steps of a training are those of the reference: in float64 to 1e-12, in float32 as far as it goes."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from asdcore_plugins.trained.augmentations.by_name import build_augmentation
from asdcore_plugins.trained.batches import fill
from asdcore_plugins.trained.learner import Learner
from asdcore_plugins.trained.losses.by_name import build_loss
from asdcore_plugins.trained.networks.by_name import build_network


@pytest.fixture
def trace(golden):
    return golden("5_trace", "scac_trainable_1024")


def started(case, dtype):
    """A learner with the first weights, and all clips."""
    config = case.config
    weights = load_file(case.folder / "weights_initial.safetensors")
    network = build_network(
        "multi_branch",
        n_samples=16000 * config["sec"],
        stft=config["n_fft"],
        width=config["emb_base_size"],
        fft_gates=config["fft_se"],
        stft_gates=config["stft_se"],
    ).load_golden(weights)
    loss = build_loss("sub_cluster_adacos", config["C"], network.dim, sub_clusters=config["K"], trainable=True)
    loss.load_golden(weights)
    learner = Learner(network.to(dtype), loss.to(dtype), [build_augmentation("mixup")])
    waves = np.empty((len(case.input["wave_2s_int16"]), 16000 * config["sec"]), np.float32)
    for place, clip in zip(waves, case.input["wave_2s_int16"].astype(np.float32) / 32768, strict=True):
        fill(place, clip)
    return learner, torch.from_numpy(waves).to(dtype)


def steps(case, dtype, count):
    """Loss of each step, and embeddings of the first ten clips after step 1 and the last."""
    learner, waves = started(case, dtype)
    given = {name: torch.as_tensor(values) for name, values in case.input.items()}
    labels = torch.eye(case.config["C"], dtype=dtype)[given["label"]]
    losses, embeddings = [], {}
    for t in range(count):
        draws = {
            key: given[f"mixup_{name}"][t] for key, name in (("lam", "lambda"), ("perm", "perm"), ("apply", "apply"))
        }
        draws["lam"] = draws["lam"].to(dtype)
        order = given["order"][t]
        losses.append(learner.step(waves[order], labels[order], {"Mixup": draws}))
        if t in (0, count - 1):
            with torch.no_grad():
                embeddings[t + 1] = learner.network.eval()(waves[:10]).numpy()
            learner.begin(0)
    return np.array(losses), embeddings


def test_float64(trace):
    count = 20 if os.environ.get("ASDCORE_LONG") else 6  # a second of CPU each
    losses, embeddings = steps(trace, torch.float64, count)
    assert np.abs(losses - trace.expected["loss_float64"][:count]).max() <= 1e-12
    if count == 20:
        assert np.abs(embeddings[20] - trace.expected["embedding_after_20_float64"]).max() <= 1e-10


def test_float32(trace):
    losses, embeddings = steps(trace, torch.float32, 5)
    assert np.abs(losses - trace.expected["loss"][:5]).max() <= 5e-4
    assert np.abs(embeddings[1] - trace.expected["embedding_after_1"]).max() <= 1e-4
