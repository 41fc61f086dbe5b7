"""The relation of near and far that train normals teach, against scikit-learn, and what it hears."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture

import asdcore
from asdcore import DataError

NEAR, FAR, COHERENCE = range(3)
BANDS, TIME = 8, 30


def stereo(n, seed=0, time=TIME):
    """(n, time, BANDS, 3): near levels follow far ones, of this frame and the one before, plus the machine's own."""
    fixed, rng = np.random.default_rng(99), np.random.default_rng(seed)
    mix = 0.3 * fixed.normal(size=(2, BANDS, BANDS))
    loud = 6.0 * rng.normal(size=(n, 1, 1))  # another day, another environment
    far = loud + 3.0 * rng.normal(size=(n, time + 1, BANDS)) - 60.0
    near = far[:, 1:] @ mix[0] + far[:, :-1] @ mix[1] + rng.normal(size=(n, time, BANDS)) - 40.0
    coherence = 0.5 + 0.05 * rng.normal(size=(n, 1, BANDS)) + 0.01 * rng.normal(size=(n, time, BANDS))
    return np.stack([near, far[:, 1:], coherence], axis=-1).astype(np.float32)


def domains(n_source, n_target):
    return np.array(["source"] * n_source + ["target"] * n_target)


def fitted(train=None, **parameters):
    train = stereo(60) if train is None else train
    return asdcore.load_scorer("normal_relation", **parameters).fit(train, domains(len(train), 0))


def windows(clip, context):
    """Near levels and windows of far ones of one clip, frame by frame."""
    places = range(context, len(clip) - context)
    far = [clip[t - context : t + context + 1, :, FAR].ravel() for t in places]
    return clip[context : len(clip) - context, :, NEAR].astype(np.float64), np.array(far, np.float64)


def relation(clip, bands):
    clip = clip.astype(np.float64)
    parts = (clip[..., NEAR] - clip[..., FAR], clip[..., COHERENCE])
    return np.concatenate(
        [[some.mean() for some in np.array_split(part.mean(axis=0), min(bands, BANDS))] for part in parts]
    )


def oracle(train, test, context=2, ridge=0.001, bands=16, components=2, seed=0):
    """The whole of it by scikit-learn."""
    train = train[sorted(range(len(train)), key=lambda i: hashlib.sha256(train[i].tobytes()).digest())]
    near, far = (np.concatenate(part) for part in zip(*(windows(clip, context) for clip in train), strict=True))
    alpha = ridge * np.square(far - far.mean(axis=0)).sum() / far.shape[1]
    model = Ridge(alpha=alpha).fit(far, near)

    def residuals(clips):
        return np.array([(n - model.predict(f)).mean(axis=0) for n, f in (windows(clip, context) for clip in clips)])

    distance = LedoitWolf().fit(residuals(train)).mahalanobis(residuals(test))
    rows, others = (np.array([relation(clip, bands) for clip in clips]) for clips in (train, test))
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    mixture = GaussianMixture(components, covariance_type="diag", reg_covar=0.1, max_iter=200, random_state=seed)
    mixture.fit((rows - centre) / scale)
    return distance / 2 - mixture.score_samples((others - centre) / scale)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"context": 0, "ridge": 1.0}, {"context": 1, "bands": 3, "components": 3, "seed": 5}, {"bands": 1}],
)
def test_equals_ridge_ledoit_wolf_and_mixture_of_scikit_learn(parameters):
    train, test = stereo(60), stereo(15, seed=1)
    scores = fitted(train, **parameters).score(test)
    assert list(scores) == ["pooled"]
    np.testing.assert_allclose(scores["pooled"], oracle(train, test, **parameters), rtol=1e-6)


def test_without_ridge_the_prediction_is_least_squares():
    train = stereo(60)
    near, far = (np.concatenate(part) for part in zip(*(windows(clip, 2) for clip in train), strict=True))
    weights, *_ = np.linalg.lstsq(far - far.mean(axis=0), near - near.mean(axis=0), rcond=None)
    clip = stereo(1, seed=1)[0]
    n, f = windows(clip, 2)
    wanted = (n - near.mean(axis=0) - (f - far.mean(axis=0)) @ weights).mean(axis=0)
    found = fitted(train, ridge=1e-12)._models["pooled"].prediction.residual(clip)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_louder_environment_is_normal_and_a_louder_machine_is_not():
    train, test = stereo(200), stereo(20, seed=1)
    environment, machine = stereo(20, seed=1), test.copy()
    machine[:, :, 3, NEAR] += 3.0
    # As loud as the loudest environments: near and far rise together, as they were seen to do.
    mix = 0.3 * np.random.default_rng(99).normal(size=(2, BANDS, BANDS))
    environment[..., FAR] += 6.0
    environment[..., NEAR] += (6.0 * np.ones(BANDS) @ (mix[0] + mix[1])).astype(np.float32)
    scorer = fitted(train)
    normal, louder, faulty = (scorer.score(clips)["pooled"] for clips in (test, environment, machine))
    assert faulty.min() > normal.max()
    assert np.median(faulty - normal) > 5 * np.median(np.abs(louder - normal))


def test_a_loss_of_coherence_in_a_few_bands_is_heard():
    test = stereo(20, seed=1)
    apart = test.copy()
    apart[:, :, 2:4, COHERENCE] -= 0.3
    scorer = fitted(stereo(200))
    assert scorer.score(apart)["pooled"].min() > scorer.score(test)["pooled"].max()


def test_target_references_need_4_clips():
    train = stereo(40)
    for n_target, references in (
        (0, ["pooled", "source"]),
        (1, ["pooled", "source"]),
        (4, ["pooled", "source", "target"]),
    ):
        scorer = asdcore.load_scorer("normal_relation", references=["pooled", "source", "target"])
        scores = scorer.fit(train, domains(40 - n_target, n_target)).score(stereo(3, seed=1))
        assert list(scores) == references
        assert all(np.isfinite(one).all() for one in scores.values())
    with pytest.raises(
        DataError, match="normal_relation needs at least 4 train normals in one of its references target"
    ):
        asdcore.load_scorer("normal_relation", references=["target"]).fit(train, domains(39, 1))


def test_each_component_of_the_mixture_needs_2_clips():
    with pytest.raises(DataError, match="needs at least 10 train normals"):
        fitted(stereo(9), components=5)


def test_train_normals_are_scored_in_folds():
    assert not hasattr(fitted(), "score_left_out")


def test_same_bits_in_any_company_order_and_number_of_threads():
    from threadpoolctl import threadpool_limits

    train, test = stereo(60), stereo(40, seed=1)
    whole = fitted(train).score(test)["pooled"]
    order = np.random.default_rng(0).permutation(60)
    with threadpool_limits(2):
        again = fitted(train[order])
        assert again.score(test[[7, 7, 31]])["pooled"].tobytes() == whole[[7, 7, 31]].tobytes()
    assert fitted(train).score(test[:1])["pooled"].tobytes() == whole[:1].tobytes()


def test_many_blocks_teach_the_same_as_one(monkeypatch):
    import asdcore_plugins.scorers.normal_relation as module

    train, test = stereo(60), stereo(10, seed=1)
    whole = fitted(train).score(test)["pooled"]
    monkeypatch.setattr(module, "BLOCK", 1)
    np.testing.assert_allclose(fitted(train).score(test)["pooled"], whole, rtol=1e-9)


def test_repeated_clips_and_silent_bands_stay_finite():
    train, test = stereo(40), stereo(5, seed=1)
    train[3:10] = train[2]
    train[:, :, 5] = test[:, :, 5] = (-160.0, -160.0, 0.0)
    heard = test.copy()
    heard[:, :, 5, NEAR] += 20.0
    scorer = fitted(train)
    assert np.isfinite(scorer.score(test)["pooled"]).all()
    assert (scorer.score(heard)["pooled"] > scorer.score(test)["pooled"] + 100).all()
    assert np.isfinite(scorer.score(heard)["pooled"]).all()


def test_train_normals_that_teach_no_relation_are_refused():
    train = stereo(20)
    with pytest.raises(DataError, match="all 20 train normals have the same features"):
        fitted(np.repeat(train[:1], 20, axis=0))
    silent = train.copy()
    silent[..., FAR] = -160.0
    with pytest.raises(DataError, match="the far channel is the same in all frames of all train normals, silent maybe"):
        fitted(silent)
    mono = train.copy()
    mono[..., FAR], mono[..., COHERENCE] = mono[..., NEAR], 1.0
    with pytest.raises(
        DataError, match="the channels differ by the same in all 20 train normals, as where one recording"
    ):
        fitted(mono)


def test_features_that_it_cannot_read_are_refused():
    train = stereo(20)
    with pytest.raises(DataError, match="Set the encoder's pooling to 'frames'"):
        fitted(train.mean(axis=1).reshape(20, -1))
    with pytest.raises(DataError, match="these features have 2 in a band. Take the view 'stereo' and the encoder"):
        fitted(train[..., :2])
    with pytest.raises(
        DataError, match=r"clips of 4 frames hold no frame with 2 before and after it: set context to 1"
    ):
        fitted(train[:, :4])
    with pytest.raises(DataError, match="a window has 5000 far levels, at most 4096 are allowed"):
        fitted(np.zeros((4, 5, 1000, 3), np.float32))
    with pytest.raises(DataError, match="cannot be compared with train normals"):
        fitted(train).score(stereo(2, time=TIME + 1))
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        asdcore.load_scorer("normal_relation").score(train)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"context": -1}, "context must be a whole number from 0"),
        ({"ridge": 0}, "ridge must be a number above 0"),
        ({"bands": 0}, "bands must be a whole number from 1"),
        ({"components": 1.5}, "components must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"references": ["near"]}, "references must be some of pooled, source, target"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("normal_relation", **parameters)
