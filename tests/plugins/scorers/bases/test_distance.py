"""Scorers of distances: of a bank that is no small one, a new clip's few nearest are measured, and the bits stay."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore_plugins.scorers.bases import distance, interpolated_bank

SCORERS = [
    ("ldn", {}),
    ("ldn", {"k": 4, "variant": "difference", "metric": "euclidean"}),
    ("ldn", {"k": 4, "root": True, "references": ["pooled"]}),
    ("ldn", {"k": {"source": 16, "target": 9}, "among": "domain", "scale": "sum"}),
    ("varmin", {}),
    ("ced", {}),
    ("aldn", {"k": 10, "metric": "euclidean"}),
    ("lof", {}),
    ("lof", {"k": 300, "metric": "euclidean"}),
    ("smote_knn", {}),
    ("smote_knn", {"k": 3, "metric": "euclidean", "seed": 1}),
    ("smote_knn", {"ratio": 0.075}),
    ("memmixup", {"metric": "cosine"}),
    ("memmixup", {"k": 2, "k_source": 5}),
    ("memmixup", {"k": 4000}),
    ("kde", {}),
    ("kde", {"metric": "cosine"}),
]
WAYS = {"searched": (0, 0), "ends measured": (0, 1 << 30), "matrix": (1 << 60, 0)}
"""Values in a bank that is small, and ends of points that are all measured."""


def bank(kind, n_source=250, n_target=20, dim=24, seed=0):
    """(features, domain): spread, many equally near, closer than single precision can say, all far away, or zeros."""
    rng = np.random.default_rng(seed)
    domain = rng.permutation(np.repeat(["source", "target"], [n_source, n_target]))
    spread = rng.normal(size=(len(domain), dim)) * np.where(domain == "target", 0.4, 1.0)[:, None]
    zeros = np.where(rng.random((len(domain), 1)) < 0.1, 0.0, spread)
    made = {"spread": spread, "repeated": np.round(spread[:, :2]), "close": 1e4 + 1e-3 * spread, "zeros": zeros}
    return made[kind].astype(np.float32), domain


def bits(scores):
    return {name: values.tobytes() for name, values in scores.items()}


@pytest.mark.filterwarnings("ignore:smote_knn has 20 target clips already:UserWarning")
@pytest.mark.parametrize("kind", ["spread", "repeated", "close", "zeros"])
@pytest.mark.parametrize(("name", "parameters"), SCORERS)
def test_a_new_clip_has_the_bits_of_the_matrix_whatever_is_measured(name, parameters, kind, monkeypatch):
    train, domain = bank(kind)
    test = np.concatenate([bank(kind, seed=1)[0][:7], train[:2], 1e9 * train[5:6] + 1e7])
    scorer = asdcore.load_scorer(name, **parameters).fit(train, domain)
    expected = bits(scorer.score_distances(asdcore.distances(test, train, scorer.metric)))
    back = asdcore.load_scorer(name, **parameters).restore(scorer.state())
    for small, few in WAYS.values():
        monkeypatch.setattr(distance, "SMALL", small)
        monkeypatch.setattr(interpolated_bank, "FEW", few)
        assert bits(scorer.score(test)) == expected
        alone = [back.score(clip[None]) for clip in test]
        assert bits({name: np.concatenate([one[name] for one in alone]) for name in alone[0]}) == expected


def test_of_a_large_bank_few_distances_are_measured(monkeypatch):
    train, domain = bank("spread", n_source=700)
    scorers = [asdcore.load_scorer(name).fit(train, domain) for name in ("varmin", "lof", "smote_knn")]
    monkeypatch.setattr(distance, "SMALL", 0)
    monkeypatch.setattr(distance, "distances", None)
    measured = []
    exactly = distance.NearestRows.exactly

    def counting(self, row, indices):
        measured.append(len(indices))
        return exactly(self, row, indices)

    monkeypatch.setattr(distance.NearestRows, "exactly", counting)
    for scorer in scorers:
        measured.clear()
        scorer.score(train[:1] + 0.01)
        assert 0 < sum(measured) < 200


def test_a_scorer_that_is_fitted_or_restored_anew_searches_the_new_bank(monkeypatch):
    monkeypatch.setattr(distance, "SMALL", 0)
    (first, domain), (second, _), (clip, _) = bank("spread"), bank("spread", seed=2), bank("spread", seed=3)
    scorer = asdcore.load_scorer("varmin").fit(first, domain)
    expected = bits(scorer.score(clip))
    assert bits(scorer.fit(second, domain).score(clip)) != expected
    state = asdcore.load_scorer("varmin").fit(first, domain).state()
    assert bits(scorer.restore(state).score(clip)) == expected
