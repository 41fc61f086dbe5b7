"""Repeated train clips: a recorder that wrote one file over and over must not turn decisions upside down."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.evidence.metrics import auc

SMALL = {
    "autoencoder": {"epochs": 2, "frames": 2},
    "linear_autoencoder": {"components": 3, "stacked": 2},
    "deep_svdd": {"epochs": 2},
    "isolation_forest": {"trees": 30},
    "beam": {"bands": 4},
    "padim": {"channels": 4},
    "gmm": {"components": 2},
    "smote_knn": {"ratio": 1.0},
}
FRAMES = ("temporal", "patchcore", "padim", "linear_autoencoder", "autoencoder")
DENSITIES = [
    ("lof", {"k": 4}),
    ("ldn", {}),
    ("ldn", {"k": 3, "variant": "difference"}),
    ("ldn", {"k": 4, "root": True, "among": "domain"}),
    ("varmin", {}),
    ("aldn", {"k": 6}),
    ("ced", {"k": 6}),
]
densities = pytest.mark.parametrize(("name", "parameters"), DENSITIES)


def clips(name, seed):
    """Train normals, normal test clips and odd ones, and the domain of the first."""
    rng = np.random.default_rng(seed)
    centre = 2.0 * rng.normal(size=16)
    train, normal = (centre + rng.normal(size=(n, 16)) for n in (44, 60))
    odd = centre + rng.normal(size=(60, 16)) + 2.0 * rng.normal(size=16)
    if name in FRAMES:
        train, normal, odd = (
            one.reshape(len(one), 1, 4, 4) + 0.05 * rng.normal(size=(len(one), 6, 4, 4)) for one in (train, normal, odd)
        )
    return *(one.astype(np.float32) for one in (train, normal, odd)), np.array(["source"] * 34 + ["target"] * 10)


def repeated(train, domain, clip, copies):
    return np.concatenate([train, np.repeat(train[[clip]], copies, axis=0)]), np.append(domain, [domain[clip]] * copies)


@pytest.mark.parametrize("copies", [5, 21])
@pytest.mark.parametrize("name", sorted(set(installed().components("scorer")) - {"normal_relation"}))
def test_copies_of_a_clip_turn_nothing_upside_down(name, copies):
    train, normal, odd, domain = clips(name, 2)
    tests, labels = np.concatenate([normal, odd]), [0] * len(normal) + [1] * len(odd)
    before = asdcore.load_scorer(name, **SMALL.get(name, {})).fit(train, domain)
    after = asdcore.load_scorer(name, **SMALL.get(name, {})).fit(*repeated(train, domain, 3, copies))
    once, often = before.score(tests)["pooled"], after.score(tests)["pooled"]
    assert auc(often, labels) > auc(once, labels) - 0.2
    if not hasattr(after, "score_left_out"):
        return
    left_out, was = after.score_left_out()["pooled"], before.score_left_out()["pooled"]
    assert np.abs(left_out).max() < 5.0 * np.abs(was).max()
    # Of the threshold by left-out scores, odd clips are above it no less often than normal ones.
    bound = np.quantile(left_out, 0.9)
    assert (often[len(normal) :] > bound).mean() >= (often[: len(normal)] > bound).mean()


@densities
@pytest.mark.parametrize("copies", [1, 4, 5, 30])
def test_a_density_counts_repeated_clips_once(name, parameters, copies):
    train, normal, odd, domain = clips(name, 2)
    tests = np.concatenate([normal, odd])
    once = asdcore.load_scorer(name, **parameters).fit(train, domain)
    often = asdcore.load_scorer(name, **parameters).fit(*repeated(train, domain, 40, copies))
    for reference, scores in once.score(tests).items():
        np.testing.assert_allclose(often.score(tests)[reference], scores, rtol=1e-9, atol=1e-12)
        left_out, was = often.score_left_out()[reference], once.score_left_out()[reference]
        others = np.setdiff1d(np.arange(len(train)), [40])
        np.testing.assert_allclose(left_out[others], was[others], rtol=1e-9, atol=1e-12)


@densities
def test_a_domain_in_which_every_clip_was_written_twice_has_ordinary_scores(name, parameters):
    train, normal, _, domain = clips(name, 3)
    target = np.flatnonzero(domain == "target")
    twice = np.concatenate([train, train[target]]), np.append(domain, domain[target])
    once = asdcore.load_scorer(name, **parameters).fit(train, domain).score(normal)
    often = asdcore.load_scorer(name, **parameters).fit(*twice)
    for reference, scores in often.score(normal).items():
        np.testing.assert_allclose(scores, once[reference], rtol=1e-9, atol=1e-12)
        assert np.abs(often.score_left_out()[reference]).max() < 10.0 * np.abs(scores).max()


@densities
def test_copies_that_are_left_out_together_leave_no_place_behind(name, parameters):
    train, _, _, domain = clips(name, 4)
    train[[3, 7, 11]] = train[3]
    n = len(domain)
    groups = [np.array([3, 7, 11]) if i in (3, 7, 11) else np.array([i, (i + 1) % n]) for i in range(n)]
    left_out = asdcore.load_scorer(name, **parameters).fit(train, domain).score_left_out(without=groups)
    for i in (3, 7, 11, 0, 6, 40):
        rest = np.setdiff1d(np.arange(n), groups[i])
        refit = asdcore.load_scorer(name, **parameters).fit(train[rest], domain[rest]).score(train[[i]])
        for reference, scores in refit.items():
            np.testing.assert_allclose(left_out[reference][i], scores[0], rtol=1e-7, atol=1e-12)
