"""PatchCore: a coreset that covers, in bounded memory, and the oddest patch's reweighted distance."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.scorers.patchcore import PROJECTED, PatchCore, greedy

TIME, BANDS, DIM = 4, 3, 5


@pytest.fixture
def frames(patches):
    return partial(patches, (TIME, BANDS, DIM))


def brute_force(train, test, b):
    """Equations 6 and 7 with every patch in the memory."""
    memory = train.reshape(-1, DIM).astype(float)
    scores = []
    for clip in test.reshape(len(test), -1, DIM).astype(float):
        gaps = np.linalg.norm(clip[:, None] - memory, axis=-1)
        patch = gaps.min(axis=1).argmax()
        nearest = gaps[patch].argmin()
        around = np.argsort(np.linalg.norm(memory - memory[nearest], axis=1))[:b]
        share = np.exp(gaps[patch, nearest]) / np.exp(gaps[patch, around]).sum() if b else 0.0
        scores.append((1 - share) * gaps[patch, nearest])
    return np.array(scores)


@pytest.mark.parametrize("b", [0, 2, 9])
def test_with_every_patch_kept_it_equals_its_formula(frames, b):
    train, domain, test = frames()
    patchcore = asdcore.load_scorer("patchcore", fraction=1.0, b=b, references=["pooled", "source", "target"])
    scores = patchcore.fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], brute_force(train, test, b), rtol=1e-10)
    np.testing.assert_allclose(scores["target"], brute_force(train[domain == "target"], test, b), rtol=1e-10)


def test_the_coreset_is_that_of_the_definition_and_covers_within_twice_the_best():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    gaps = np.linalg.norm(rows[:, None] - rows, axis=-1)
    chosen = greedy(rows, 5)
    assert chosen[0] == np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmax()
    for place in range(1, 5):
        assert chosen[place] == gaps[chosen[:place]].min(axis=0).argmax()
    covered = gaps[chosen].min(axis=0).max()
    for seed in range(200):
        anyone = np.random.default_rng(seed).choice(60, 5, replace=False)
        assert covered <= 2 * gaps[anyone].min(axis=0).max()


def test_repeated_patches_are_chosen_once():
    assert sorted(greedy(np.repeat(np.eye(3), 4, axis=0), 10) // 4) == [0, 1, 2]


def test_the_projection_keeps_distances_roughly_and_short_patches_exactly():
    rows = np.random.default_rng(0).normal(size=(30, 4096)).astype(np.float32)
    projected = PatchCore()._projected(rows)
    assert projected.shape == (30, PROJECTED)
    full, short = (np.linalg.norm(one[:1] - one[1:].astype(float), axis=1) for one in (rows, projected))
    assert np.abs(short / full - 1).max() < 0.35
    assert np.array_equal(PatchCore()._projected(rows[:, :100]), rows[:, :100])


def test_memory_is_said_before_it_is_taken_and_refused_beyond_what_is_allowed(frames, caplog):
    train, domain, _ = frames()
    with caplog.at_level(logging.INFO, logger="asdcore_plugins.scorers.patchcore"):
        asdcore.load_scorer("patchcore", fraction=0.1).fit(train, domain)
    assert "patchcore chooses 48 of 480 patches, in" in caplog.text
    with pytest.raises(DataError, match=r"needs 2.9e-05 GB to choose 48 of 480.*'memory' allows 1e-05. Lower 'cand"):
        asdcore.load_scorer("patchcore", fraction=0.1, memory=1e-5).fit(train, domain)


def test_no_more_candidates_than_allowed(frames, caplog):
    train, domain, test = frames()
    with caplog.at_level(logging.INFO, logger="asdcore_plugins.scorers.patchcore"):
        fitted = asdcore.load_scorer("patchcore", fraction=0.5, candidates=170).fit(train, domain)
    assert "chooses 80 of 160 patches" in caplog.text
    assert np.isfinite(fitted.score(test)["pooled"]).all()


def test_same_bits_in_any_company(frames):
    train, domain, test = frames(n_test=70)
    fitted = asdcore.load_scorer("patchcore", fraction=0.3).fit(train, domain)
    whole, some = fitted.score(test)["pooled"], [60, 3, 3, 41]
    assert fitted.score(test[some])["pooled"].tobytes() == whole[some].tobytes()
    assert fitted.score(test[:1])["pooled"].tobytes() == whole[:1].tobytes()
    assert not hasattr(fitted, "score_left_out")


def test_huge_silent_and_repeated_clips_stay_finite(frames):
    train, domain, test = frames()
    train[:20], test[0] = 0.0, 0.0
    fitted = asdcore.load_scorer("patchcore", fraction=0.3).fit(train, domain)
    assert np.isfinite(fitted.score(test)["pooled"]).all()
    assert np.isfinite(fitted.score(test * np.float32(1e6))["pooled"]).all()
    every = asdcore.load_scorer("patchcore", fraction=1.0).fit(train, domain)
    assert every.score(test)["pooled"][0] == 0.0


@pytest.mark.parametrize(("n_clips", "b", "expected"), [(10, 0, 1), (10, 9, 9), (2, 9, 8)])
def test_a_coreset_has_the_members_that_a_weight_rests_on(n_clips, b, expected, caplog):
    train = np.random.default_rng(0).normal(size=(n_clips, 4, 1, 3)).astype(np.float32)
    with caplog.at_level("INFO"):
        asdcore.load_scorer("patchcore", b=b).fit(train, np.full(n_clips, "source"))
    assert f"chooses {expected} of {4 * n_clips} patches" in caplog.text


def test_few_clips(frames):
    train, domain, test = frames(n_target=1)
    several = asdcore.load_scorer("patchcore", references=["pooled", "target"])
    assert list(several.fit(train, domain).score(test)) == ["pooled"]
    with pytest.raises(DataError, match="patchcore needs at least 2 train normals"):
        asdcore.load_scorer("patchcore", references=["target"]).fit(train, domain)


def test_what_cannot_be_compared_is_refused(frames):
    train, domain, test = frames()
    with pytest.raises(DataError, match="Use the pooling 'frames'"):
        asdcore.load_scorer("patchcore").fit(train.reshape(len(train), -1), domain)
    with pytest.raises(DataError, match="patches of 4 values.*of 5 a patch"):
        asdcore.load_scorer("patchcore").fit(train, domain).score(test[..., :4])
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        asdcore.load_scorer("patchcore").score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fraction": 0}, "fraction must be a number above 0"),
        ({"b": 1}, "b must be at least 2, or 0 for no weights"),
        ({"memory": -1}, "memory must be a number of GB above 0"),
        ({"candidates": 0}, "candidates must be a whole number from 1 to 4294967295"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295"),
        ({"references": []}, "references must be some of"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("patchcore", **parameters)


def test_a_hundred_thousand_patches(frames):
    train = np.random.default_rng(0).normal(size=(100, 125, 8, 3)).astype(np.float32)
    fitted = asdcore.load_scorer("patchcore", fraction=0.002, b=0).fit(train, np.full(100, "source"))
    odd = train[:2].copy()
    odd[1, 7, 3] += 20.0
    low, high = fitted.score(odd)["pooled"]
    assert low < 5.0 < high


def test_macs_are_those_of_every_patch_with_the_coreset():
    whole_clip = 62 * 8 * 768
    patchcore = asdcore.load_scorer("patchcore", fraction=0.01, candidates=50_000)
    assert patchcore.macs(1000, whole_clip) == 500 * whole_clip
