"""Kernel density: scikit-learn's up to the kernel's constant, with the bandwidth left out as well."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

import asdcore
from asdcore import DataError


@pytest.mark.parametrize("width", [1.0, 2.5])
def test_equals_sklearn(data, width):
    train, domain, test = data()
    within = asdcore.distances(train, train, "euclidean")
    np.fill_diagonal(within, np.inf)
    h = width * np.median(within.min(axis=1))
    log_density = KernelDensity(bandwidth=h).fit(train.astype(float)).score_samples(test.astype(float))
    constant = train.shape[1] * np.log(h * np.sqrt(2 * np.pi))
    scores = asdcore.load_scorer("kde", width=width).fit(train, domain).score(test)
    np.testing.assert_allclose(scores["pooled"], -(log_density + constant), rtol=1e-8)


@pytest.mark.parametrize("parameters", [{}, {"metric": "cosine", "width": 3}])
def test_left_out_is_the_score_of_a_bank_without_the_clip(left_out_is_refitted, parameters):
    left_out_is_refitted("kde", rtol=1e-10, **parameters)


def test_same_bits(same_bits_in_any_company):
    same_bits_in_any_company("kde")
    same_bits_in_any_company("kde", metric="cosine")


def test_far_clips_and_repeated_clips_stay_finite(data):
    train, domain, test = data()
    train[:30] = train[0]
    fitted = asdcore.load_scorer("kde").fit(train, domain)
    assert np.isfinite(fitted.score(test * np.float32(1e30))["pooled"]).all()
    assert np.isfinite(fitted.score_left_out()["pooled"]).all()
    with pytest.raises(DataError, match="kde finds all 5 train normals repeated"):
        asdcore.load_scorer("kde").fit(np.ones((5, 3), np.float32), np.full(5, "source"))


@pytest.mark.parametrize("width", [0, -1.0, True, float("nan"), "wide"])
def test_bad_parameters(width):
    with pytest.raises(asdcore.PluginError, match="width must be a number above 0"):
        asdcore.load_scorer("kde", width=width)
