"""Band by band: every band finds its own nearest train normal."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_equals_nearest_neighbours_of_every_band(data, metric, reduce):
    train, domain, test = data()
    scores = asdcore.load_scorer("beam", bands=3, reduce=reduce, metric=metric).fit(train, domain).score(test)
    bands = [slice(start, start + 4) for start in (0, 4, 8)]
    knn = asdcore.load_scorer("knn", metric=metric)
    parts = [knn.fit(train[:, band], domain).score(test[:, band]) for band in bands]
    for reference in ("pooled", "source", "target"):
        expected = getattr(np, reduce)([part[reference] for part in parts], axis=0)
        np.testing.assert_allclose(scores[reference], expected, rtol=1e-12)


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_with_varmin_every_band_has_an_alpha_of_its_own(data, reduce):
    train, domain, test = data()
    scores = asdcore.load_scorer("beam", bands=3, reduce=reduce, varmin=4).fit(train, domain).score(test)
    bands = [slice(start, start + 4) for start in (0, 4, 8)]
    parts = [asdcore.load_scorer("varmin", k=4).fit(train[:, band], domain).score(test[:, band]) for band in bands]
    for reference in ("pooled", "source", "target"):
        expected = getattr(np, reduce)([part[reference] for part in parts], axis=0)
        np.testing.assert_allclose(scores[reference], expected, rtol=1e-12)


def test_bands_need_not_agree_on_the_nearest_clip():
    train = np.array([[1, 0, 0, 1], [0, 1, 1, 0]], np.float32)
    beam = asdcore.load_scorer("beam", bands=2).fit(train, np.full(2, "source"))
    assert beam.score(np.array([[1, 0, 1, 0]], np.float32))["pooled"].tolist() == [0.0]
    assert asdcore.load_scorer("beam", bands=1).fit(train, np.full(2, "source")).score(train[:1] + 1)["pooled"][0] > 0


@pytest.mark.parametrize(
    "parameters", [{"bands": 4}, {"bands": 2, "reduce": "max", "metric": "euclidean"}, {"bands": 3, "varmin": 2}]
)
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    # What is taken off in a band leaves a difference that may be near 0.
    left_out_is_refitted("beam", rtol=1e-10 if "varmin" in parameters else 0, **parameters)


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("beam", bands=10)
    same_bits_in_any_company("beam", bands=4, varmin=4)


def test_repeated_clips_and_silent_bands_stay_finite(data):
    train, domain, test = data()
    train[:20], train[:, :4], test[0] = train[0], 0.0, train[0]
    fitted = asdcore.load_scorer("beam", bands=3).fit(train, domain)
    assert np.isfinite(fitted.score(test)["pooled"]).all()
    train[:20], test[0] = train[0], train[0]
    assert asdcore.load_scorer("beam", bands=3).fit(train, domain).score(test)["pooled"][0] == 0.0


def test_few_target_clips(data):
    train, domain, test = data(n_target=1)
    assert list(asdcore.load_scorer("beam", bands=3).fit(train, domain).score(test)) == ["pooled", "source"]
    with pytest.raises(DataError, match="beam needs at least 2 train normals in one of its references target"):
        asdcore.load_scorer("beam", bands=3, references=["target"]).fit(train, domain)
    with pytest.raises(DataError, match="beam needs at least 3 train normals"):
        asdcore.load_scorer("beam", bands=3, varmin=4).fit(train[:2], domain[:2])


def test_features_without_such_bands_are_refused(data):
    train, domain, test = data()
    with pytest.raises(DataError, match=r"features of 5 bands, got \(12,\) values.*say with 'bands' how many"):
        asdcore.load_scorer("beam", bands=5).fit(train, domain)
    with pytest.raises(DataError, match="a band of one value has no direction: use metric = 'euclidean'"):
        asdcore.load_scorer("beam", bands=12).fit(train, domain)
    with pytest.raises(DataError, match="features of 3 values a band"):
        asdcore.load_scorer("beam", bands=3).fit(train, domain).score(test[:, :9])
    with pytest.raises(DataError, match=r"call fit\(features, domain\) first"):
        asdcore.load_scorer("beam", bands=3).score(test)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bands": 0}, "bands must be a whole number from 1 to 4294967295, got 0"),
        ({"varmin": -1}, "varmin must be a whole number from 0"),
        ({"reduce": "median"}, "reduce must be one of mean, max"),
        ({"metric": "l1"}, "metric must be one of cosine, euclidean"),
        ({"references": []}, "references must be some of"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(asdcore.PluginError, match=message):
        asdcore.load_scorer("beam", **parameters)


def test_a_bank_of_100_000_clips(data):
    train, domain, test = data(n_source=99_990, dim=8)
    scores = asdcore.load_scorer("beam", bands=2, metric="euclidean").fit(train, domain).score(test[:2])
    for i in range(2):
        apart = np.square(train.astype(float) - test[i].astype(float)).reshape(-1, 2, 4).sum(axis=2)
        assert scores["pooled"][i] == pytest.approx(np.sqrt(apart.min(axis=0)).mean(), rel=1e-12)


def test_a_domain_that_one_band_cannot_judge_is_left_out():
    """All target clips are the same in the second band, so nothing says how far they lie from one another there."""
    rng = np.random.default_rng(0)
    train, domain = rng.normal(size=(20, 8)).astype(np.float32), np.array(["source"] * 14 + ["target"] * 6)
    train[14:, 4:] = 1.0
    fitted = asdcore.load_scorer("beam", bands=2, varmin=3, metric="euclidean").fit(train, domain)
    assert list(fitted.score(train)) == list(fitted.score_left_out()) == ["pooled", "source"]
