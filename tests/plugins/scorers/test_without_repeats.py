"""Tied and repeated train clips: scores out of fold equal those of a scorer that never saw the clips left out.

A repeated clip counts once. Which of its copies a fold lacks must not matter, nor which of them another clip must not
rest on.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore_plugins.scorers.bases import distance

DOMAIN = np.repeat(["source", "target"], [14, 10])
COPIES = {"source": 4, "target": 3}
N = len(DOMAIN)
SCORERS = [
    ("ldn", {}),
    ("ldn", {"variant": "difference", "k": 4, "r": 0.9, "metric": "euclidean"}),
    ("ldn", {"among": "domain", "k": {"source": 6, "target": 3}, "scale": "sum"}),
    ("varmin", {"metric": "euclidean"}),
    ("varmin", {"among": "domain", "log": True}),
    ("aldn", {"k": 6, "metric": "euclidean"}),
    ("ced", {"k": 6, "quantile": 0.2}),
    ("lof", {"k": 4, "metric": "euclidean"}),
    ("beam", {"bands": 2, "varmin": 3, "metric": "euclidean"}),
]
scorers = pytest.mark.parametrize(("name", "parameters"), SCORERS, ids=[name for name, _ in SCORERS])


def clips(rng, *, tied):
    """Train normals of which some are repeated within their domain; some of those that are tied are as far from one."""
    features = rng.normal(size=(N, 4))
    if tied:
        grid = np.stack(np.meshgrid(*[np.arange(1, 5)] * 4), -1).reshape(-1, 4)
        features = grid[rng.permutation(len(grid))[:N]]
    features = features.astype(np.float32)
    for name, count in COPIES.items():
        of_domain = rng.permutation(np.flatnonzero(name == DOMAIN))
        copies, originals = of_domain[:count], of_domain[count:]
        features[copies] = features[rng.choice(originals, count)]
    return features


def some_clips(rng):
    """For each clip up to three others."""
    return [np.sort(rng.choice(N, rng.integers(0, 4), replace=False)) for _ in range(N)]


def in_order(features, rest):
    """Order clips so that a copy stands where the first of its clip does: of equally near clips the first counts."""
    first = {}
    for i in range(N):
        first.setdefault((DOMAIN[i], features[i].tobytes()), i)
    return np.array(sorted(rest, key=lambda i: (first[DOMAIN[i], features[i].tobytes()], i)))


def refitted(name, parameters, features, apart, without, i):
    """Score a clip by a scorer that is fitted on what is left for it."""
    rest = in_order(features, np.setdiff1d(np.arange(N), np.append(without[i], i)))
    place = {int(clip): k for k, clip in enumerate(rest)}
    given = [np.sort([place[int(j)] for j in apart[clip] if int(j) in place]).astype(int) for clip in rest]
    return asdcore.load_scorer(name, **parameters).fit(features[rest], DOMAIN[rest], given).score(features[[i]])


@pytest.mark.parametrize("measured", [distance.DISTANCE_BYTES, 0])
@scorers
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_equals_a_scorer_that_never_saw_those_clips(name, parameters, measured, seed, tied):
    rng = np.random.default_rng(seed)
    # Bands of clips on a grid are repeated, too, each in an order of its own.
    features = clips(rng, tied=tied and name != "beam")
    apart, without = some_clips(rng), some_clips(rng)
    apart[5] = np.arange(N)  # it has no neighbours, unless by a copy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "DISTANCE_BYTES", measured)
        scores = asdcore.load_scorer(name, **parameters).fit(features, DOMAIN, apart).score_left_out(without)
        for i in rng.choice(N, 3, replace=False):
            refit = refitted(name, parameters, features, apart, without, i)
            assert set(refit) <= set(scores)
            for reference, values in refit.items():
                scale = np.abs(scores[reference]).max()
                np.testing.assert_allclose(scores[reference][i], values[0], rtol=1e-7, atol=1e-9 * scale)


@scorers
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_it_does_not_matter_which_copy_stands_first(name, parameters, seed):
    rng = np.random.default_rng(seed)
    features, apart = clips(rng, tied=False), some_clips(rng)
    order = rng.permutation(N)
    place = np.argsort(order)
    moved = [np.sort(place[apart[clip]]) for clip in order]
    tests = rng.normal(size=(5, 4)).astype(np.float32)
    here = asdcore.load_scorer(name, **parameters).fit(features, DOMAIN, apart).score(tests)
    there = asdcore.load_scorer(name, **parameters).fit(features[order], DOMAIN[order], moved).score(tests)
    assert set(here) == set(there)
    for reference, values in here.items():
        np.testing.assert_allclose(there[reference], values, rtol=1e-7, atol=1e-9 * np.abs(values).max())


@scorers
def test_sets_of_which_a_copy_is_always_left_take_nothing_away(name, parameters):
    rng = np.random.default_rng(0)
    features = np.tile(rng.normal(size=(N, 4)), (2, 1)).astype(np.float32)
    scorer = asdcore.load_scorer(name, **parameters).fit(features, np.tile(DOMAIN, 2))
    alone = scorer.score_left_out()
    for reference, values in scorer.score_left_out([np.array([(i + 1) % N]) for i in range(2 * N)]).items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(values, alone[reference], rtol=1e-7, atol=1e-9 * scale)
