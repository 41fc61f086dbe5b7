"""Deep SVDD: the network that a library trains from the same start, and nothing random but its seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import asdcore


def data(n=150, dim=12, seed=0):
    """Normals in a few directions far from 0, with one constant feature."""
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(n, 4)) @ rng.normal(size=(4, dim)) + 0.1 * rng.normal(size=(n, dim)) - 60.0
    train[:, 3] = 0.1
    return train.astype(np.float32), np.full(n, "source")


def fit(train, domain, **parameters):
    return asdcore.load_scorer("deep_svdd", **parameters).fit(train, domain)


def by_library(network, train, epochs, seed):
    """Train a torch module from the plugin's own start; its outputs, and the centre."""
    draw = torch.Generator().manual_seed(seed)
    module = nn.Sequential(nn.Linear(12, 128, bias=False), nn.LeakyReLU(0.01), nn.Linear(128, 64, bias=False))
    with torch.no_grad():
        for layer in (module[0], module[2]):
            bound = np.sqrt(6.0 / layer.in_features)
            layer.weight.copy_((2.0 * torch.rand(layer.weight.shape, generator=draw) - 1.0) * bound)
    rows = torch.from_numpy(((train - network.mean) / network.scale).astype(np.float32))
    with torch.no_grad():
        centre = module(rows).mean(dim=0)
    centre[(centre.abs() < 0.1) & (centre < 0)], centre[(centre.abs() < 0.1) & (centre >= 0)] = -0.1, 0.1
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, weight_decay=1e-6)
    for _ in range(epochs):
        order = torch.randperm(len(rows), generator=draw)
        for start in range(0, len(rows), 128):
            optimizer.zero_grad()
            outputs = module(rows[order[start : start + 128]])
            # The mean of squares over 64 coordinates, times 64, is the squared distance.
            nn.functional.mse_loss(outputs, centre.expand_as(outputs)).mul(64).backward()
            optimizer.step()
    return module, centre


def test_is_the_network_that_a_library_trains_from_the_same_start():
    # One batch an epoch: the order in which the plugin sorts its clips does not matter.
    train, domain = data(n=128)
    fitted = fit(train, domain, epochs=4, seed=5)
    network = fitted._models["pooled"]
    module, centre = by_library(network, train, epochs=4, seed=5)
    test = train[:20] + np.float32(1.0)
    rows = torch.from_numpy(((test - network.mean) / network.scale).astype(np.float32))
    with torch.no_grad():
        expected = (module(rows) - centre).square().sum(dim=1).numpy()
    assert np.allclose(network.centre, centre, rtol=1e-5)
    assert np.allclose(fitted.score(test)["pooled"], expected, rtol=1e-3)


def test_training_draws_train_normals_to_the_centre_and_leaves_anomalies_out():
    train, domain = data()
    odd = train + np.random.default_rng(1).normal(size=train.shape).astype(np.float32)
    before, after = (fit(train, domain, epochs=epochs) for epochs in (1, 60))
    assert after.score(train)["pooled"].mean() < 0.2 * before.score(train)["pooled"].mean()
    assert np.median(after.score(odd)["pooled"]) > np.quantile(after.score(train)["pooled"], 0.9)


def test_no_coordinate_of_the_centre_is_near_zero():
    train, domain = data()
    assert np.abs(fit(train, domain, epochs=1)._models["pooled"].centre).min() >= np.float32(0.1)


def test_a_constant_feature_that_changes_counts():
    train, domain = data()
    odd = train.copy()
    odd[:, 3] += 50.0
    fitted = fit(train, domain, epochs=5)
    assert (fitted.score(odd)["pooled"] > fitted.score(train)["pooled"]).mean() > 0.9


def test_the_seed_decides_and_the_global_generator_is_left_alone(threads):
    train, domain = data()
    scores = []
    for seed, n_threads in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(n_threads)
        state = torch.get_rng_state()
        with threads(n_threads):
            scores.append(fit(train, domain, epochs=3, seed=seed).score(train)["pooled"].tobytes())
            assert torch.get_num_threads() == n_threads
        assert torch.equal(torch.get_rng_state(), state)
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"rate": 0}, "rate must be a number above 0 and below 1, got 0"),
        ({"decay": 1}, "decay must be a number above 0 and below 1, got 1"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("deep_svdd", **parameters)
