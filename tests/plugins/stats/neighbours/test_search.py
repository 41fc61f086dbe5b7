"""The nearest rows of a bank: those of brute force, to the last bit, whatever single precision makes of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from asdcore_plugins.stats.neighbours import search
from asdcore_plugins.stats.neighbours.prepared_rows import prepared
from asdcore_plugins.stats.neighbours.search import NearestRows

KINDS = (
    "plain",
    "far from 0",
    "closer than single precision",
    "repeated",
    "tiny and huge",
    "at the end of single precision",
)
MEMBERS = {"pooled": np.arange(300), "odd": np.arange(1, 300, 2), "few": np.array([7, 8])}


def rows(kind, n, seed):
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(n, 10))
    made = {
        "plain": spread,
        "far from 0": (1e4 + spread).astype(np.float32),
        "closer than single precision": 1e6 + 1e-7 * spread,
        "repeated": np.round(spread[:, :1] * np.ones(10)),
        "tiny and huge": spread * 10.0 ** rng.integers(-18, 18, (n, 1)),
        "at the end of single precision": (1e38 * np.tanh(spread)).astype(np.float32),
    }
    return made[kind]


def brute_force(queries, bank, metric, k, same=None):
    """Mean of the k smallest distances, from differences in double precision."""
    asked, known = prepared(queries, metric), prepared(bank, metric)
    squares = np.stack([np.square(known - one).sum(axis=1) for one in asked])
    if same is not None:
        squares[same] = np.inf
    least = np.sort(squares / 4.0 if metric == "cosine" else np.sqrt(squares), axis=1)[:, :k]
    return np.array([row[np.isfinite(row)].mean() for row in least])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5])
def test_equals_brute_force_to_the_bit(kind, metric, k):
    bank, queries = rows(kind, 300, 0), rows(kind, 40, 1)
    found = NearestRows(bank, metric, MEMBERS, np.arange(300), k).distances(queries)
    for name, members in MEMBERS.items():
        assert found[name].tobytes() == brute_force(queries, bank[members], metric, k).tobytes()


def test_rows_of_the_same_owner_are_passed_over():
    bank, owner = rows("plain", 300, 0), np.repeat(np.arange(75), 4)
    found = NearestRows(bank, "euclidean", MEMBERS, owner, 2).distances_left_out()
    for name in ("pooled", "odd"):
        members = MEMBERS[name]
        same = owner[:, None] == owner[members]
        assert found[name].tobytes() == brute_force(bank, bank[members], "euclidean", 2, same).tobytes()


def test_queries_far_from_the_bank_are_measured_all_the_same():
    bank, queries = rows("plain", 300, 0), 1e30 * rows("plain", 5, 1)
    found = NearestRows(bank, "euclidean", MEMBERS, np.arange(300)).distances(queries)["odd"]
    assert found.tobytes() == brute_force(queries, bank[1::2], "euclidean", 1).tobytes()


def test_many_equally_near_rows_take_bounded_memory(monkeypatch):
    monkeypatch.setattr(search, "PAIRS", 1 << 12)
    bank = np.ones((20_000, 8), np.float32)
    memory = NearestRows(bank, "euclidean", {"pooled": np.arange(20_000)}, np.arange(20_000))
    tracemalloc.start()
    try:
        assert (memory.distances(np.zeros((200, 8)))["pooled"] == np.sqrt(8.0)).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * 20_000 * 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rough_distances_are_never_more_than_the_exact_ones(kind, metric):
    bank, queries = rows(kind, 300, 0), rows(kind, 40, 1)
    memory = NearestRows(bank, metric, MEMBERS, np.arange(300))
    rough = memory.at_least(queries)
    exact = np.stack([memory.exactly(one, np.arange(300)) for one in queries])
    assert exact[:, 7].tobytes() == brute_force(queries, bank[7:8], metric, 1).tobytes()
    assert (rough <= exact).all()
    if kind == "plain":
        np.testing.assert_allclose(rough, exact, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_rows_are_named(kind):
    bank, queries = rows(kind, 300, 0), rows(kind, 40, 1)
    memory = NearestRows(bank, "euclidean", MEMBERS, np.arange(300), 5)
    for name, (index, distance) in memory.nearest(queries).items():
        assert (np.isin(index, MEMBERS[name]) | (index == -1)).all()
        for one, some, how_far in zip(queries, index, distance, strict=True):
            there = some[some >= 0]
            assert len(np.unique(there)) == len(there) == min(5, len(MEMBERS[name]))
            assert memory.exactly(one, there).tobytes() == how_far[: len(there)].tobytes()
            assert np.isinf(how_far[len(there) :]).all()
