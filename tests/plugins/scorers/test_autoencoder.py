"""The official baseline's autoencoder: its network, its three scores by their definitions, the same bits every time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

import asdcore
from asdcore import DataError
from asdcore.portfolio import load_portfolio, shipped_portfolios
from asdcore_plugins.nn.autoencoder import network, train, windows
from asdcore_plugins.scorers import autoencoder as module

QUICK = {"epochs": 3, "batch_size": 64}
SCORES = ("mse", "mahalanobis", "mahalanobis_paper")
WIDTH = 8
"""Values of a frame: 4 bands of 2."""


@pytest.fixture(autouse=True)
def _nothing_trained_yet(monkeypatch):
    monkeypatch.setattr(module, "_trained", {})


@pytest.fixture
def trained(monkeypatch):
    """The networks that are trained, as they are."""
    found = []

    def spy(*args, **kwargs):
        found.append(train(*args, **kwargs))
        return found[-1]

    monkeypatch.setattr(module, "train", spy)
    return found


def data(n_source=30, n_target=10, n_test=20, time=12, seed=0):
    """Frames of 4 bands of 2 that wander in 3 directions, with a little noise; the target domain lies elsewhere."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(1).normal(size=(3, WIDTH))

    def clips(n, centre):
        hidden = np.cumsum(rng.normal(size=(n, time, 3)), axis=1) / 3
        frames = centre + hidden @ mix + 0.1 * rng.normal(size=(n, time, WIDTH))
        return frames.reshape(n, time, 4, 2).astype(np.float32)

    domain = np.array(["source"] * n_source + ["target"] * n_target)
    order = rng.permutation(len(domain))
    train_normals = np.concatenate([clips(n_source, -3.0), clips(n_target, -2.0)])
    return train_normals[order], domain[order], clips(n_test, -3.0)


def scorer(score="mse", **parameters):
    return asdcore.load_scorer("autoencoder", score=score, **{**QUICK, **parameters})


def residuals(model, clips, frames=5):
    """(n_clips, time, band, dim) -> the network's residuals (n_clips, K, D), vector by vector from the definition."""
    flat = clips.reshape(*clips.shape[:2], -1).astype(float)
    vectors = [[np.concatenate(clip[k : k + frames]) for k in range(len(clip) - frames + 1)] for clip in flat]
    frozen = network(len(vectors[0][0]), 0).double().eval()
    frozen.load_state_dict(model.state_dict())
    with torch.no_grad():
        return np.array([(frozen(torch.tensor(np.array(one))).numpy() - one) for one in vectors])


def test_the_network_is_the_official_one():
    model = network(640, seed=0)
    kinds = [type(layer).__name__ for layer in model]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 9 + ["Linear"]
    assert [layer.out_features for layer in model if hasattr(layer, "out_features")] == [
        *[128] * 4,
        8,
        *[128] * 4,
        640,
    ]
    assert {(layer.momentum, layer.eps) for layer in model if hasattr(layer, "eps")} == {(0.01, 1e-3)}
    assert sum(values.numel() for values in model.parameters()) == 267_928
    assert sum(layer.weight.numel() for layer in model if hasattr(layer, "out_features")) == 264_192


def test_vectors_are_consecutive_frames_and_none_is_copied():
    features = np.random.default_rng(0).normal(size=(3, 9, 4, 2)).astype(np.float32)
    features.flags.writeable = False
    vectors = windows(features, 5)
    assert vectors.shape == (3, 5, 40)
    assert np.shares_memory(vectors, features)
    for clip in range(3):
        for k in range(5):
            assert np.array_equal(vectors[clip, k], features[clip, k : k + 5].ravel())


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_training_is_adam_on_the_mean_squared_error_in_a_new_order_each_epoch(name, kind):
    vectors = windows(data()[0], 5)
    rows = np.arange(1, 300)
    model = train(vectors, rows, epochs=2, batch_size=64, seed=5, optimizer=name)
    plain, draw = network(40, 5).train(), torch.Generator().manual_seed(5)
    # Adam makes whole steps of gradients that are mere rounding, so only the same arithmetic gives the same weights.
    optimizer = kind(plain.parameters(), lr=1e-3, fused=True)
    table = torch.tensor(vectors.reshape(-1, 40)[rows])
    for _ in range(2):
        for batch in torch.randperm(len(rows), generator=draw).split(64):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(plain(table[batch]), table[batch]).backward()
            optimizer.step()
    untrained = network(40, 5).state_dict()
    for name, values in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], values), name
        assert not torch.equal(untrained[name], values), name
    assert not model.training


def test_mse_is_the_mean_square_of_what_is_not_given_back(trained):
    normals, domain, test = data()
    scores = scorer().fit(normals, domain).score(test)
    assert list(scores) == ["pooled"]
    expected = np.square(residuals(trained[0], test)).mean(axis=(1, 2))
    assert scores["pooled"].dtype == np.float64
    assert np.allclose(scores["pooled"], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("predicts", "place"), [("middle", 2), ("last", 4)])
def test_a_frame_is_told_from_the_others(trained, predicts, place):
    normals, domain, test = data()
    scores = scorer(predicts=predicts).fit(normals, domain).score(test)["pooled"]
    flat = test.reshape(len(test), -1, WIDTH).astype(float)
    others = [i for i in range(5) if i != place]
    expected = []
    for clip in flat:
        runs = np.stack([clip[start : start + 5] for start in range(len(clip) - 4)])
        with torch.inference_mode():
            said = trained[0].double()(torch.from_numpy(runs[:, others].reshape(len(runs), -1))).numpy()
        expected.append(np.square(said - runs[:, place]).mean())
    assert np.allclose(scores, expected, rtol=1e-12, atol=0)


def test_a_frame_between_its_neighbours_is_easier_to_tell_than_the_next_one():
    # Frames that wander: the middle one lies near the mean of its neighbours.
    normals, domain, test = data(time=30)
    middle, last = (
        scorer(predicts=p, frames=3, epochs=30).fit(normals, domain).score(test) for p in ("middle", "last")
    )
    assert middle["pooled"].mean() < last["pooled"].mean()


@pytest.mark.parametrize("batch_size", [64, 10_000], ids=lambda size: f"batches of {size}")
def test_mahalanobis_is_what_the_official_code_computes(trained, monkeypatch, batch_size):
    normals, domain, test = data()
    drawn = []
    monkeypatch.setattr(module, "batches", lambda *args: (drawn.append(one) or one for one in real(*args)))
    fitted = scorer("mahalanobis", batch_size=batch_size).fit(normals, domain)
    scores, errors = fitted.score(test), residuals(trained[0], normals).reshape(-1, 40)
    of, expected = np.repeat(domain, 8), {}
    for name in ("source", "target"):
        scatter, count = np.zeros((WIDTH, WIDTH)), 0
        for batch in drawn:
            mine = errors[batch[of[batch] == name]]
            count += len(mine)
            for row in (rows := mine.reshape(-1, WIDTH)) - rows.mean(axis=0):
                scatter += np.outer(row, row)
        inverse = np.linalg.inv(scatter / (count - 1))
        # The code forms the matrix of all pairs of frames, and averages it.
        pairs = [one.reshape(-1, WIDTH) @ inverse @ one.reshape(-1, WIDTH).T for one in residuals(trained[0], test)]
        expected[name] = np.array([pair.mean() for pair in pairs])
        assert np.allclose(scores[name], expected[name], rtol=1e-8, atol=0)
    assert np.array_equal(scores["pooled"], np.minimum(scores["source"], scores["target"]))
    assert len(np.unique(np.concatenate(drawn))) == len(np.concatenate(drawn)) == 40 * 8 - 32


real = module.batches


def test_mahalanobis_paper_is_the_mean_over_vectors_of_the_smaller_squared_distance(trained):
    normals, domain, test = data()
    scores = scorer("mahalanobis_paper", held_out=0).fit(normals, domain).score(test)
    errors, inverse = residuals(trained[0], normals), {}
    for name in ("source", "target"):
        inverse[name] = np.linalg.inv(np.cov(errors[domain == name].reshape(-1, 40).T))
    none = np.zeros(40)
    for i, clip in enumerate(residuals(trained[0], test)):
        each = {name: [mahalanobis(one, none, matrix) ** 2 for one in clip] for name, matrix in inverse.items()}
        for name, distances in each.items():
            assert scores[name][i] == pytest.approx(np.mean(distances) / 40, rel=1e-7)
        smaller = np.minimum(each["source"], each["target"]).mean() / 40
        assert scores["pooled"][i] == pytest.approx(smaller, rel=1e-7)


def test_what_was_not_heard_before_scores_higher(trained):
    """Training is chaotic: another processor trains another network. So the fault is large, and three networks vote."""
    gains: dict[str, list[float]] = {score: [] for score in SCORES}
    for seed in range(3):
        normals, domain, test = data(seed=seed)
        shifted, torn = test + 6.0, test[:, np.random.default_rng(0).permutation(12)]
        for score in SCORES:
            # Enough batches for the running statistics, which take in a hundredth of each.
            fitted = scorer(score, epochs=50, batch_size=32, seed=seed).fit(normals, domain)
            scores = fitted.score(np.concatenate([test, shifted, torn]))["pooled"]
            assert scores[20:40].min() > scores[:20].max(), score
            gains[score].append(float(np.median(scores[40:]) / np.median(scores[:20])))
    assert len(trained) == 3
    gain = {score: np.mean(values) for score, values in gains.items()}
    # The same frames in another order: the official form averages residuals over time before it squares anything.
    assert gain["mahalanobis"] < min(gain["mse"], gain["mahalanobis_paper"])
    assert min(gain["mse"], gain["mahalanobis_paper"]) > 1.1


def test_more_epochs_give_back_more():
    normals, domain, test = data()
    errors = [scorer(epochs=epochs).fit(normals, domain).score(test)["pooled"].mean() for epochs in (1, 5, 20)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=5, deadline=None)
@given(index=st.lists(st.integers(0, 19), min_size=1, max_size=25))
def test_same_bits_in_any_company(score, index):
    normals, domain, test = data()
    fitted = scorer(score).fit(normals, domain)
    whole, part, one = fitted.score(test), fitted.score(test[index]), fitted.score(test[index[:1]])
    for reference in whole:
        assert part[reference].tobytes() == whole[reference][index].tobytes()
        assert one[reference].tobytes() == whole[reference][index[:1]].tobytes()


@pytest.mark.parametrize("score", SCORES)
def test_same_bits_for_any_threads_train_order_memory_layout_and_state_of_the_generators(score, monkeypatch):
    normals, domain, test = data()
    expected = scorer(score).fit(normals, domain).score(test)
    order = np.random.default_rng(0).permutation(len(domain))
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            monkeypatch.setattr(module, "_trained", {})
            torch.set_num_threads(threads)
            torch.manual_seed(threads)
            state = torch.random.get_rng_state()
            again = scorer(score).fit(np.asfortranarray(normals[order]), domain[order])
            assert torch.equal(state, torch.random.get_rng_state())
            scores = again.score(np.asfortranarray(test))
            assert torch.get_num_threads() == threads
            assert {name: values.tobytes() for name, values in scores.items()} == {
                name: values.tobytes() for name, values in expected.items()
            }
    finally:
        torch.set_num_threads(before)


def test_another_seed_is_another_network():
    normals, domain, test = data()
    first, second = (scorer(seed=seed).fit(normals, domain).score(test)["pooled"] for seed in (0, 1))
    assert (first != second).all()


def test_scores_that_differ_in_nothing_else_share_a_training(trained, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    normals, domain, test = data()
    alone = scorer("mahalanobis").fit(normals, domain).score(test)["pooled"]
    scorer("mse").fit(normals, domain)
    assert len(trained) == 1
    scorer("mse").fit(normals[1:], domain[1:])
    scorer("mse", epochs=2).fit(normals, domain)
    assert len(trained) == 3
    assert len(module._trained) == 2
    # The first was given up; trained anew, it is the same.
    assert np.array_equal(scorer("mahalanobis").fit(normals, domain).score(test)["pooled"], alone)
    assert len(trained) == 4


def test_training_takes_little_memory_beside_the_features():
    normals, domain, _ = data(n_source=200, time=60)
    fitted = scorer(epochs=1, batch_size=512)
    tracemalloc.start()
    try:
        fitted.fit(normals, domain)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (
        peak < 0.75 * 5 * normals.nbytes
    )  # the vectors, of which neighbours share their frames, would take 5 times it


def test_clips_of_another_length_are_scored_and_no_clips_give_no_scores():
    normals, domain, test = data()
    for score in SCORES:
        fitted = scorer(score).fit(normals, domain)
        assert np.isfinite(fitted.score(test[:, :5])["pooled"]).all()
        assert {values.shape for values in fitted.score(test[:0]).values()} == {(0,)}


def test_a_domain_with_too_few_residuals_is_left_out():
    normals, domain, test = data(n_target=0)
    assert list(scorer("mahalanobis").fit(normals, domain).score(test)) == ["pooled", "source"]
    only_target = scorer("mahalanobis").fit(normals, np.full(30, "target")).score(test)
    assert list(only_target) == ["pooled", "target"]
    assert np.array_equal(only_target["pooled"], only_target["target"])
    normals, domain, test = data(n_target=4)
    # 4 clips have 32 vectors: fewer than the 40 values of one, but of 5 frames each.
    assert list(scorer("mahalanobis_paper").fit(normals, domain).score(test)) == ["pooled", "source"]
    assert list(scorer("mahalanobis").fit(normals, domain).score(test)) == ["pooled", "source", "target"]
    with pytest.raises(DataError, match="more than 40 residuals in one domain"):
        scorer("mahalanobis_paper").fit(normals[:3], domain[:3])


def test_one_target_clip_and_constant_bands():
    normals, domain, test = data(n_target=1)
    normals[:, :, 2] = test[:, :, 2] = -100.0
    for score in SCORES:
        scores = scorer(score).fit(normals, domain).score(test)
        assert all(np.isfinite(values).all() for values in scores.values())


def test_equal_vectors_have_no_covariance():
    normals, _, _ = data(time=5)
    alike, domain = np.repeat(normals[:1], 80, axis=0), np.array(["source"] * 80)
    assert np.isfinite(scorer().fit(alike, domain).score(normals)["pooled"]).all()
    with pytest.raises(DataError, match=r"all source train normals leave the same residuals.*score 'mse'"):
        scorer("mahalanobis_paper").fit(alike, domain)


def test_silence_gives_finite_scores():
    normals, domain, _ = data()
    normals[:20] = -100.0
    for score in SCORES:
        assert np.isfinite(scorer(score).fit(normals, domain).score(normals)["pooled"]).all()


def test_a_last_batch_of_one_vector_is_passed_over():
    normals, domain, test = data(n_source=2, n_target=0, time=9)
    fitted = scorer(batch_size=3, held_out=0).fit(normals, domain)
    assert np.isfinite(fitted.score(test[:, :9])["pooled"]).all()


def test_too_few_vectors():
    normals, domain, _ = data()
    with pytest.raises(DataError, match="trains on 2 vectors at least; 1, less those held out, are too few"):
        scorer().fit(normals[:1, :5], domain[:1])


def test_features_that_do_not_fit():
    normals, domain, test = data()
    with pytest.raises(DataError, match=r"\(40, 96\): let the encoder have the pooling 'frames'"):
        scorer().fit(normals.reshape(40, 96), domain)
    with pytest.raises(DataError, match="clips of 4 frames are too short for vectors of 5 frames"):
        scorer().fit(normals[:, :4], domain)
    with pytest.raises(DataError, match="frames of 6 values cannot be scored by an autoencoder of 8 values each"):
        scorer().fit(normals, domain).score(test[:, :, :3])
    with pytest.raises(DataError, match="weights are not finite"):
        scorer().fit(normals * np.float32(1e37), domain)


def test_before_fit_and_after_a_fit_that_failed():
    normals, domain, test = data()
    autoencoder = scorer()
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        autoencoder.score(test)
    autoencoder.fit(normals, domain)
    with pytest.raises(DataError, match="too short"):
        autoencoder.fit(normals[:, :4], domain)
    with pytest.raises(DataError, match="call fit"):
        autoencoder.score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"score": "mean"}, "score must be one of mse, mahalanobis, mahalanobis_paper, got 'mean'"),
        ({"frames": 0}, "frames must be a whole number from 1 to 4294967295, got 0"),
        ({"epochs": True}, "epochs must be a whole number from 1 to 4294967295, got True"),
        ({"batch_size": 1}, "batch_size must be a whole number from 2 to 4294967295, got 1"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295, got -1"),
        ({"held_out": 1}, "held_out must be a number of at least 0 and below 1, got 1"),
        ({"optimizer": "sgd"}, "optimizer must be one of adam, adamw, got 'sgd'"),
        ({"predicts": "first"}, "predicts must be one of all, middle, last, got 'first'"),
        (
            {"predicts": "middle", "frames": 4},
            "predicts = 'middle' needs an odd number of frames from 3 on, got frames",
        ),
        (
            {"predicts": "middle", "frames": 1},
            "predicts = 'middle' needs an odd number of frames from 3 on, got frames",
        ),
        ({"predicts": "last", "frames": 1}, "predicts = 'last' needs at least 2 frames, got frames = 1"),
        ({"held_out": "0.1"}, "held_out must be a number of at least 0 and below 1, got '0.1'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("autoencoder", **parameters)


def test_the_shipped_baseline_takes_the_official_parameters():
    assert "baseline/dcase-ae" in shipped_portfolios()
    portfolio = load_portfolio("baseline/dcase-ae")
    assert [branch.scorer.parameters for branch in portfolio.branches.values()] == [
        {"score": "mse"},
        {"score": "mahalanobis"},
    ]
    defaults = asdcore.load_scorer("autoencoder")
    assert defaults._optimizer == "adam"
    assert (defaults._frames, defaults._epochs, defaults._batch_size, defaults._held_out) == (5, 100, 256, 0.1)
