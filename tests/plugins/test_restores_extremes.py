"""Extreme but valid train normals: what was learnt of them comes back to the bit, or they are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore
from asdcore import DataError
from asdcore.contract.plugins import installed
from asdcore.store.fitted_state import pack, unpack

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
"""Such as that no line lies between so few clips, or that a few extreme scores decide a scale."""

FEW = settings(max_examples=8, deadline=None)
TRAINED = ("autoencoder", "deep_svdd")
"""Scorers that train a network, which takes a second."""


def bundled(kind):
    return sorted(name for name, plugin in installed().components(kind).items() if plugin.distribution == "asdcore")


CASES = [
    *((name, {}) for name in bundled("scorer") if name not in (*TRAINED, "beam")),
    ("beam", {"bands": 4}),
    ("beam", {"bands": 4, "varmin": 2}),
    ("lof", {"k": 4}),
    ("gmm", {"components": 1}),
    ("linear_autoencoder", {"components": 2, "stacked": 2, "score": "mahalanobis"}),
    ("mahalanobis", {"covariance": "tied"}),
    ("temporal", {"window": 2, "hop": 1}),
]


def constant(rows, target, draw):
    rows[:] = rows[:1]


def constant_target(rows, target, draw):
    rows[target] = rows[target][:1]


def constant_source(rows, target, draw):
    rows[~target] = rows[~target][:1]


def duplicates(rows, target, draw):
    rows[:] = rows[draw.integers(0, max(1, len(rows) // 3), len(rows))]


def constant_features(rows, target, draw):
    rows[..., : rows.shape[-1] // 2] = 3.0


def one_silent(rows, target, draw):
    rows[0] = 0.0


def ordinary(rows, target, draw):
    """Leave the rows as they are."""


KINDS = [constant, constant_target, constant_source, duplicates, constant_features, one_silent, ordinary]


@st.composite
def train_normals(draw, shape):
    """Features (n, *shape) of few clips of either domain, and their domains."""
    source, target = draw(st.sampled_from([0, 1, 2, 12, 30])), draw(st.sampled_from([1, 2, 3, 10]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    rows, is_target = random.normal(size=(source + target, *shape)), np.arange(source + target) >= source
    draw(st.sampled_from(KINDS))(rows, is_target, random)
    scale, offset = draw(st.sampled_from([1e-20, 1.0, 1e15])), draw(st.sampled_from([0.0, 100.0]))
    return (rows * scale + offset).astype(np.float32), np.where(is_target, "target", "source")


def restored(component, made):
    """What a file of a component's state makes of another one."""
    content = pack(component.state(), {"name": "any"})
    again = made.restore(unpack(content, "any").state)
    assert pack(again.state(), {"name": "any"}) == content
    return again


def check_left_out(scorer, n_train):
    """Scores of the train normals, each by the others, are there and finite, or refused by name."""
    if hasattr(scorer, "score_left_out"):
        try:
            left_out = scorer.score_left_out()
        except DataError:
            return
        assert all(np.isfinite(values).all() and len(values) == n_train for values in left_out.values())


@pytest.mark.parametrize("shape", [(16,), (5, 4, 6)], ids=["pooled", "frames"])
@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
@FEW
@given(data=st.data())
def test_scorers(name, parameters, shape, data):
    train, domain = data.draw(train_normals(shape))
    clips = np.concatenate([train[:2], 1.5 * train[:1] + np.float32(0.1), 0 * train[:1]]).astype(np.float32)
    try:
        scorer = asdcore.load_scorer(name, **parameters).fit(train.copy(), domain)
    except DataError:
        return
    scores = scorer.score(clips)
    check_left_out(scorer, len(train))
    again = restored(scorer, asdcore.load_scorer(name, **parameters)).score(clips)
    assert scores.keys() == again.keys()
    for reference, values in scores.items():
        assert np.isfinite(values).all()
        assert values.tobytes() == again[reference].tobytes()


@st.composite
def train_scores(draw, n):
    """Scores (n,) of train normals."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    values = {
        "usual": random.gamma(2.0, size=n),
        "negative too": random.normal(size=n),
        "one value": np.full(n, draw(st.sampled_from([0.0, -3.0, 1e-12]))),
        "two values": random.integers(0, 2, n).astype(np.float64),
        "one far off": np.append(random.gamma(2.0, size=n - 1), 1e9),
        "apart by rounding": 1.0 + 2e-16 * random.integers(0, 5, n),
    }
    return values[draw(st.sampled_from(sorted(values)))] * draw(st.sampled_from([1e-8, 1.0, 1e10]))


NORMALIZERS = [
    *((name, {}) for name in bundled("normalizer")),
    *((name, {"output": output}) for name in ("ecdf", "gpd") for output in ("normal", "surprise")),
    *((name, {"scope": "domain_min", "shrinkage": 0.0}) for name in ("conformal", "ecdf", "gamma", "gpd", "mad")),
]


@st.composite
def domains(draw):
    counts = draw(st.sampled_from([0, 1, 2, 12, 100])), draw(st.sampled_from([1, 2, 10, 40]))
    return np.repeat(["source", "target"], counts)


@pytest.mark.parametrize(("name", "parameters"), NORMALIZERS, ids=str)
@FEW
@given(data=st.data())
def test_normalizers(name, parameters, data):
    domain = data.draw(domains())
    scores = {reference: data.draw(train_scores(len(domain))) for reference in ("pooled", "source", "target")}
    try:
        normalizer = asdcore.load_normalizer(name, **parameters).fit(scores, domain)
    except DataError:
        return
    clips = {reference: np.append(values[:2], [0.0, 1e12, -1e12]) for reference, values in scores.items()}
    z = normalizer.transform(clips)
    assert np.isfinite(z).all()
    again = restored(normalizer, asdcore.load_normalizer(name, **parameters))
    assert again.transform(clips).tobytes() == z.tobytes()


GUARDS = {
    "tail": {"support": "a"},
    "tail_calibration": {},
    "channel_disagreement": {"branches": ["a", "b"]},
    "target_proximity": {"support": "a", "proximity": "b"},
}


@pytest.mark.parametrize("name", bundled("guard"))
@FEW
@given(data=st.data())
def test_guards(name, data):
    domain = data.draw(domains())
    base, a, b = (data.draw(train_scores(len(domain))) for _ in range(3))
    try:
        guard = asdcore.load_guard(name, **GUARDS[name]).fit(base, {"a": a, "b": b}, domain)
    except DataError:
        return
    clips = np.append(base[:1], [0.0, 1e12, -1e12])
    z = {"a": np.append(a[:1], [1e12, 0.0, 1e12]), "b": np.append(b[:1], [-1e12, 1e12, 0.0])}
    penalty = guard.penalty(clips, z)
    assert np.isfinite(penalty).all()
    assert (penalty >= 0).all()
    again = restored(guard, asdcore.load_guard(name, **GUARDS[name]))
    assert again.penalty(clips, z).tobytes() == penalty.tobytes()
