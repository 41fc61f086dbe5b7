"""Banks with two domains, and leave-one-out done the long way: by leaving each clip out."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore


@pytest.fixture
def data():
    """Make (train, domain, test) features: the target domain is shifted, and denser than the source domain."""

    def made(n_source=30, n_target=10, n_test=20, dim=12, seed=0):
        rng = np.random.default_rng(seed)
        domain = np.array(["source"] * n_source + ["target"] * n_target)
        spread = np.where(domain == "target", 0.4, 1.0)[:, None]
        train = rng.normal(size=(len(domain), dim)) * spread + 0.7 * (domain == "target")[:, None] + 0.4
        order = rng.permutation(len(domain))
        return train[order].astype(np.float32), domain[order], rng.normal(size=(n_test, dim)).astype(np.float32)

    return made


@pytest.fixture
def patches(data):
    """Make (train, domain, test) patches of a shape (time, bands, dim)."""

    def made(shape, **sizes):
        train, domain, test = data(dim=int(np.prod(shape)), **sizes)
        return train.reshape(-1, *shape), domain, test.reshape(-1, *shape)

    return made


@pytest.fixture
def leave_one_out():
    """Score every train normal by a scorer that is fitted without it: {reference: (n_train,)}."""

    def scored(name, train, domain, **parameters):
        rows = []
        for i in range(len(train)):
            others = np.arange(len(train)) != i
            fitted = asdcore.load_scorer(name, **parameters).fit(train[others], domain[others])
            rows.append({reference: one[0] for reference, one in fitted.score(train[[i]]).items()})
        return {reference: np.array([row[reference] for row in rows]) for reference in rows[0]}

    return scored


@pytest.fixture
def left_out_is_refitted(data, leave_one_out):
    """Hold the own scores of 14 source and 6 target clips to those of scorers that are fitted without each."""

    def hold(name, *, rtol, sizes=(14, 6), **parameters):
        train, domain, _ = data(n_source=sizes[0], n_target=sizes[1])
        left_out = asdcore.load_scorer(name, **parameters).fit(train, domain).score_left_out()
        for reference, scores in leave_one_out(name, train, domain, **parameters).items():
            np.testing.assert_allclose(left_out[reference], scores, rtol=rtol)

    return hold


@pytest.fixture
def same_bits_in_any_company(data):
    """Hold a scorer to the same bits for a clip alone, in a part, with more threads, and fitted on distances."""

    def hold(name, **parameters):
        from threadpoolctl import threadpool_limits

        train, domain, test = data(n_test=150, dim=40)
        fitted = asdcore.load_scorer(name, **parameters).fit(train, domain)
        whole, some = fitted.score(test), [7, 7, 140, 3, 66]
        with threadpool_limits(2):
            again = asdcore.load_scorer(name, **parameters).fit(train, domain).score(test)
        for reference, scores in whole.items():
            assert fitted.score(test[some])[reference].tobytes() == scores[some].tobytes()
            assert fitted.score(test[:1])[reference].tobytes() == scores[:1].tobytes()
            assert again[reference].tobytes() == scores.tobytes()
        if not hasattr(fitted, "fit_distances"):
            return
        shared = asdcore.load_scorer(name, **parameters)
        within = asdcore.distances(train, train, shared.metric)
        found = shared.fit_distances(within, domain).score_distances(asdcore.distances(test, train, shared.metric))
        assert {name: one.tobytes() for name, one in found.items()} == {
            name: one.tobytes() for name, one in whole.items()
        }

    return hold
