"""Kernel means from products: the bits of those from all distances, whatever way they are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore_plugins.stats.neighbours import compiled_products, kernel_means
from asdcore_plugins.stats.neighbours.kernel_means import KernelMeans, log_means
from asdcore_plugins.stats.to_odd import to_odd


def made(kind, seed, dim=12):
    """Return a bank and clips of the kind that products find hard."""
    rng = np.random.default_rng(seed)
    bank, clips = rng.normal(size=(60, dim)), rng.normal(size=(8, dim))
    if kind == "clusters":
        centres = 1e3 * rng.normal(size=(6, dim))
        bank, clips = (centres[rng.integers(0, 6, len(rows))] + 1e-3 * rows for rows in (bank, clips))
    if kind == "repeated":
        bank[1], clips[:5] = bank[0], bank[:5] * (1.0 + 1e-6 * np.arange(5)[:, None])
    if kind == "offset":
        bank, clips = bank + 1e4, clips + 1e4
    if kind == "outlier":
        bank[7] *= 1e9
    if kind == "zero":
        bank[2], clips[0] = 0.0, 0.0
    if kind == "far":
        clips *= 1e15
    return bank.astype(np.float32), clips.astype(np.float32)


def same(bank, clips, metric, width):
    """Hold the means of two references to those from all distances; return how often all were measured."""
    within = asdcore.distances(bank, bank, metric)
    members = {"pooled": np.arange(len(bank)), "target": np.arange(0, len(bank), 7)}
    h = width * float(np.median(within[within > 0]))
    bandwidth = {"pooled": h, "target": 0.7 * h}
    means = KernelMeans(bank, metric, members, bandwidth).of(clips)
    apart = asdcore.distances(clips, bank, metric)
    for name, rows in members.items():
        with np.errstate(all="ignore"):
            expected = to_odd(log_means(np.take(apart, rows, axis=1) / bandwidth[name]))
        assert means[name].tobytes() == expected.tobytes()


KINDS = ("plain", "clusters", "repeated", "offset", "outlier", "zero", "far")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**32),
    st.sampled_from(["cosine", "euclidean"]),
    st.floats(-4.0, 2.0),
    st.integers(-30, 20),
)
def test_equals_all_distances(kind, seed, metric, width, scale):
    bank, clips = made(kind, seed)
    same(bank * np.float32(2.0**scale), clips * np.float32(2.0**scale), metric, 10.0**width)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_whatever_is_measured_the_bits_are_the_same(kind, metric, monkeypatch):
    bank, clips = made(kind, 5)
    with monkeypatch.context() as patched:
        patched.setattr(kernel_means, "known_to_odd", lambda value, error: None)
        same(bank, clips, metric, 0.5)
    with monkeypatch.context() as patched:
        patched.setattr(kernel_means, "_doubtful", lambda exponents, errors: np.ones(len(exponents), bool))
        patched.setattr(kernel_means, "ALL", 1.0)
        same(bank, clips, metric, 0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_compiled_products_change_no_bit(kind, metric, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiled_products, "WORTH", 0)
    bank, clips = made(kind, 6)
    for i in range(len(clips)):
        same(bank, clips[i : i + 1], metric, 0.5)


@pytest.mark.parametrize("width", [1e-200, 1e-30, 1e30, 1e200])
def test_absurd_bandwidths(width):
    same(*made("plain", 2), "euclidean", width)


def test_a_wide_bank_of_tight_clusters_is_not_measured_whole(monkeypatch):
    bank, clips = made("clusters", 3)
    monkeypatch.setattr(kernel_means._Clip, "measured_mean", None)
    within = asdcore.distances(bank, bank, "euclidean")
    np.fill_diagonal(within, np.inf)
    h = float(np.median(within.min(axis=1)))
    means = KernelMeans(bank, "euclidean", {"pooled": np.arange(60)}, {"pooled": h}).of(clips)
    expected = to_odd(log_means(asdcore.distances(clips, bank, "euclidean") / h))
    assert means["pooled"].tobytes() == expected.tobytes()
