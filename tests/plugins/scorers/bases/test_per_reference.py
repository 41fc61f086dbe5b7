"""What every scorer with one model for each reference does alike."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import asdcore
from asdcore import DataError

BANKS = {"pooled": ("source", "target"), "source": ("source",), "target": ("target",)}
SCORERS = [
    ("gmm", {"components": 2}),
    ("pca_residual", {"components": 3}),
    ("ocsvm", {"nu": 0.2}),
    ("isolation_forest", {"trees": 10}),
    ("padim", {"channels": 2}),
    ("linear_autoencoder", {"components": 3, "stacked": 2}),
    ("deep_svdd", {"epochs": 2}),
]
scorers = pytest.mark.parametrize(("name", "parameters"), SCORERS, ids=[name for name, _ in SCORERS])


def load(name, parameters, references=tuple(BANKS)):
    return asdcore.load_scorer(name, references=list(references), **parameters)


def data(shape=(24,), n_source=30, n_target=9, n_test=25, seed=0):
    """Train normals of two domains, in no order, and test clips farther out."""
    rng = np.random.default_rng(seed)
    domain = rng.permutation(["source"] * n_source + ["target"] * n_target)
    train = rng.normal(size=(len(domain), *shape))
    train[domain == "target"] += 1.0
    return train.astype(np.float32), domain, (2.0 * rng.normal(size=(n_test, *shape))).astype(np.float32)


def shape_of(name):
    return (4, 2, 3) if name in ("padim", "linear_autoencoder") else (24,)


@scorers
def test_a_reference_is_a_scorer_of_its_clips_alone(name, parameters):
    train, domain, test = data(shape_of(name))
    scores = load(name, parameters).fit(train, domain).score(test)
    assert list(scores) == list(BANKS)
    for reference, domains in BANKS.items():
        bank = train[np.isin(domain, domains)]
        alone = load(name, parameters, ["pooled"]).fit(bank, np.full(len(bank), "source"))
        assert np.array_equal(scores[reference], alone.score(test)["pooled"])
        assert scores[reference].dtype == np.float64


@scorers
def test_default_reference_is_pooled(name, parameters):
    train, domain, test = data(shape_of(name))
    assert list(asdcore.load_scorer(name, **parameters).fit(train, domain).score(test)) == ["pooled"]


@scorers
def test_same_bits_in_any_company_with_any_threads_and_layout(name, parameters):
    train, domain, test = data(shape_of(name), n_test=70)
    # Over so many magnitudes that no sum is exact in float64.
    train *= np.float32(10.0) ** np.random.default_rng(1).integers(-2, 3, size=train.shape)
    fitted = load(name, parameters).fit(train, domain)
    whole = fitted.score(test)
    order = np.random.default_rng(2).integers(0, len(test), 90)
    some, one = fitted.score(test[order]), fitted.score(test[order[:1]])
    with threadpool_limits(2):
        threaded = load(name, parameters).fit(train, domain).score(test)
    fortran = load(name, parameters).fit(np.asfortranarray(train), domain).score(np.asfortranarray(test))
    for reference, scores in whole.items():
        assert some[reference].tobytes() == scores[order].tobytes()
        assert one[reference].tobytes() == scores[order[:1]].tobytes()
        assert threaded[reference].tobytes() == fortran[reference].tobytes() == scores.tobytes()


@scorers
def test_same_bits_for_any_order_of_train_normals(name, parameters):
    train, domain, test = data(shape_of(name))
    order = np.random.default_rng(3).permutation(len(train))
    scores = load(name, parameters).fit(train, domain).score(test)
    other = load(name, parameters).fit(train[order], domain[order]).score(test)
    for reference in BANKS:
        assert scores[reference].tobytes() == other[reference].tobytes()


@scorers
def test_domains_without_enough_clips_are_left_out(name, parameters):
    for n_target in (0, 1):
        train, domain, test = data(shape_of(name), n_target=n_target)
        assert list(load(name, parameters).fit(train, domain).score(test)) == ["pooled", "source"]
        with pytest.raises(DataError, match=rf"{name} needs at least \d train normals in one of its references target"):
            load(name, parameters, ["target"]).fit(train, domain)


@scorers
def test_repeated_clips_and_constant_features_are_no_trouble(name, parameters):
    train, domain, test = data(shape_of(name))
    train[5:12] = train[4]
    train[..., ::2] = np.float32(0.1)
    for scores in load(name, parameters).fit(train, domain).score(np.concatenate([test, train])).values():
        assert np.isfinite(scores).all()


@scorers
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_train_normals_that_are_all_the_same_are_refused(name, parameters, value):
    train, domain, _ = data(shape_of(name))
    with pytest.raises(DataError, match="all 39 train normals have the same features"):
        load(name, parameters).fit(np.full_like(train, value), domain)


@scorers
def test_features_of_another_size_are_refused_and_no_clips_give_no_scores(name, parameters):
    train, domain, test = data(shape_of(name))
    fitted = load(name, parameters).fit(train, domain)
    assert fitted.score(test[:0])["pooled"].shape == (0,)
    with pytest.raises(DataError, match=r"cannot be compared with train normals of \d+\. .*'frames'"):
        fitted.score(test[..., :-1])


@scorers
def test_before_fit_and_after_a_fit_that_failed(name, parameters):
    train, domain, test = data(shape_of(name))
    scorer = load(name, parameters, ["target"])
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        scorer.score(test)
    scorer.fit(train, domain)
    with pytest.raises(DataError, match="needs at least"):
        scorer.fit(train, np.full(len(train), "source"))
    with pytest.raises(DataError, match="call fit"):
        scorer.score(test)


@scorers
@pytest.mark.parametrize("references", [[], ["near"], "pooled"])
def test_bad_references(name, parameters, references):
    with pytest.raises(asdcore.PluginError, match="references must be some of pooled, source, target, got"):
        asdcore.load_scorer(name, references=references, **parameters)


@scorers
def test_what_a_score_costs_grows_with_the_references(name, parameters):
    assert load(name, parameters).macs(100, 24) == 3 * load(name, parameters, ["source"]).macs(100, 24) > 0
