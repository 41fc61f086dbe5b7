"""What a manifest says of a portfolio is what a portfolio says: 2.0 does not become 2."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.frozen.manifest.predicate_schema import understood, written
from asdcore.store.digests.canonical import canonical_json

number = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
value = st.recursive(
    st.one_of(number, st.booleans(), st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
    lambda one: st.lists(one, max_size=3),
    max_leaves=5,
)
SAID = {
    "asdcore": "0", "name": "n", "portfolio": {}, "run": {"task": "t", "device": "cpu"}, "set_aside": [], "plugins": [],
    "roots": {"data": "d", "run": "r", "store": "s", "resource/x": "../x"}, "resources": [], "splits": [], "looks": {},
    "environment": {"packages": {}, "deterministic": {"device": "cpu"}}, "lineage": {"a": ["b"], "b": []}, "sealed": "",
}  # fmt: skip


LEFT_OUT = {"machine": "fan", "section": "00", "branches": {"a": 3}, "domains": {"source": {"range": 1}}}


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), value, max_size=4))
def test_a_portfolio_comes_back_with_every_kind_of_number(portfolio):
    kept = json.loads(canonical_json(written(SAID | {"portfolio": portfolio})))
    found = understood(kept, set())["portfolio"]
    assert json.dumps(found, sort_keys=True) == json.dumps(portfolio, sort_keys=True)


def test_what_was_given_is_not_touched():
    before = json.dumps(SAID)
    kept = written(SAID)
    understood(kept, set())
    assert json.dumps(SAID) == before
    assert isinstance(kept["portfolio"], str)


def test_the_first_thing_wrong_is_named_by_its_key():
    for wrong, said in (
        ({"roots": {"run": "r", "store": "s"}}, "predicate.roots.data: Field required"),
        ({"looks": {"x": 1.5}}, "predicate.looks.x: Input should be a valid integer"),
        (
            {"roots": {**SAID["roots"], "data": "/etc"}},
            "predicate.roots.data: a root is written relative",
        ),
        ({"resources": [{"id": ".."}]}, "predicate.resources.0.id: an id is one part of a path"),
        ({"run": {**SAID["run"], "features": 3}}, "predicate.run.features: Input should be a valid dictionary"),
        ({"run": {**SAID["run"], "out_of_fold": [3]}}, "predicate.run.out_of_fold.0: Input should be"),
        ({"run": {**SAID["run"], "out_of_fold": [LEFT_OUT | {"domains": []}]}}, "out_of_fold.0.domains: Input should"),
        ({"run": {**SAID["run"], "out_of_fold": [LEFT_OUT | {"domains": {"source": {"range": -1}}}]}}, "source.range"),
        (
            {"environment": {**SAID["environment"], "cpu_features": ["avx", ["fma"]]}},
            "environment.cpu_features.1: Input should be a valid string",
        ),
        ({"lineage": {"clips/fan": []}}, "clips/fan is not clips/MACHINE/SECTION"),
        ({"lineage": {"a": ["c"]}}, "a descends from 'c', which is not pinned"),
    ):
        with pytest.raises(ValueError, match=said):
            understood(written(SAID) | wrong, set())
    with pytest.raises(ValueError, match="predicate: "):
        understood([], set())


def test_a_parent_may_be_a_pinned_file():
    assert understood(written(SAID) | {"lineage": {"a": ["data/x.wav"]}}, {"data/x.wav"})
