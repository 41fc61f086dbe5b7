"""Sums of kernels from products: those of brute force, within the rounding of products."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore_plugins.scorers import kde
from asdcore_plugins.scorers.bases import distance
from asdcore_plugins.stats.neighbours import kernel_sums


def made(n=90, dim=5):
    rng = np.random.default_rng(0)
    return (3.0 + rng.normal(size=(n, dim))).astype(np.float32), rng.permutation(
        np.repeat(["source", "target"], n // 2)
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("blocks", [(4096, 128), (7, 11)])
def test_equals_brute_force(metric, blocks, monkeypatch):
    monkeypatch.setattr(kernel_sums, "ROWS", blocks[0])
    monkeypatch.setattr(kernel_sums, "CLIPS", blocks[1])
    bank, members = made()[0], np.arange(0, 90, 3)
    apart = asdcore.distances(bank, bank, metric)
    np.fill_diagonal(apart, np.inf)
    bandwidth = np.linspace(0.5, 2.0, 90) * np.median(apart)
    scaled = apart[:, members] / bandwidth[:, None]
    least = scaled.min(axis=1)
    expected = np.exp(np.square(least)[:, None] / 2.0 - np.square(scaled) / 2.0).sum(axis=1)
    np.testing.assert_allclose(kernel_sums.kernel_sums(bank, metric, members, bandwidth, least), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_large_bank_is_left_out_clip_by_clip_as_a_small_one(metric, monkeypatch):
    train, domain = made()
    small = asdcore.load_scorer("kde", metric=metric).fit(train, domain).score_left_out()
    monkeypatch.setattr(distance, "DISTANCE_BYTES", 0)
    monkeypatch.setattr(kde, "MEASURED", 0)
    large = asdcore.load_scorer("kde", metric=metric).fit(train, domain).score_left_out()
    assert list(small) == list(large)
    for name, scores in small.items():
        np.testing.assert_allclose(large[name], scores, rtol=1e-12, atol=1e-12)
