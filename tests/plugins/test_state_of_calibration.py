"""What guards and normalizers learned comes back, and a state that lies is refused by its key."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

RNG = np.random.default_rng(0)
BASE, DOMAIN = RNG.normal(size=80), np.repeat(["source", "target"], 40)
Z = {"a": RNG.normal(size=80), "b": RNG.normal(size=80)}
SCORES = {name: RNG.gamma(3.0, size=80) for name in ("pooled", "source", "target")}

GUARDS = {
    "tail": {"support": "a"},
    "tail_calibration": {},
    "channel_disagreement": {"branches": ["a", "b"]},
    "target_proximity": {"support": "a", "proximity": "b"},
}


def changed(state, path, value):
    """Copy a state with the value of one key, by its path, exchanged; ``...`` takes it away."""
    key, *rest = path
    new = changed(state[key], rest, value) if rest else value
    return {
        name: new if name == key else old for name, old in {**state, key: new}.items() if new is not ... or name != key
    }


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_gives_the_same_bits_from_its_state(name):
    guard = asdcore.load_guard(name, **GUARDS[name]).fit(BASE, Z, DOMAIN)
    again = asdcore.load_guard(name, **GUARDS[name]).fit(2 * BASE, Z, DOMAIN).restore(guard.state())
    clips = np.linspace(-1.0, 9.0, 80)
    assert again.penalty(clips, Z).any()
    assert again.penalty(clips, Z).tobytes() == guard.penalty(clips, Z).tobytes()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["threshold"], ..., "threshold is missing"),
        (["threshold"], "high", "threshold is 'high', and a float is expected"),
        (["more"], 1.0, "more is there, and no key but evidence, threshold is expected"),
        (["evidence"], 1.0, "evidence is 1.0, and a table is expected"),
        (["evidence", "rank"], np.zeros(2), "evidence does not fit: values and rank .* of one length"),
    ],
)
def test_a_state_that_lies_is_refused(path, value, words):
    guard = asdcore.load_guard("tail", support="a").fit(BASE, Z, DOMAIN)
    state = changed(guard.state(), path, value)
    with pytest.raises(DataError, match=f"not the state of a tail guard with these parameters: {words}"):
        guard.restore(state)
    with pytest.raises(DataError, match="call fit"):
        guard.penalty(BASE, Z)


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("mad", ["scales", "target", "scale"], ..., "scales.target.scale is missing"),
        ("mad", ["scales", "target"], ..., "scales is a table of source, and a table of source, target, as beside it"),
        ("mad", ["references", "target"], 3, "references.target is 3, and a str is expected"),
        (
            "conformal",
            ["scales", "all", "first", "p"],
            np.zeros(2),
            r"p is float64 \(2,\), and float64 \(n = 80\)",
        ),
        ("ecdf", ["scales", "all", "first", "ecdf", "rank"], ..., "first.ecdf does not fit: .*'rank' is missing"),
        ("gpd", ["scales", "all", "distribution"], None, "distribution is None, and a table is expected"),
    ],
)
def test_a_state_of_a_normalizer_that_lies_is_refused(name, path, value, words):
    normalizer = asdcore.load_normalizer(name).fit(SCORES, DOMAIN)
    state = changed(normalizer.state(), path, value)
    with pytest.raises(DataError, match=f"not the state of a {name} with these parameters: .*{words}"):
        normalizer.restore(state)
    with pytest.raises(DataError, match="call fit"):
        normalizer.transform(SCORES)
