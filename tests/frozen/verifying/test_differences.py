"""Differences are told in one order, by what a person calls their kind."""

from __future__ import annotations

import json

from asdcore.frozen.manifest.statement import KINDS
from asdcore.frozen.verifying.differences import CHANGED, EXTRA, GROUPS, MISSING, Difference, Verification, grouped

SOME = [
    Difference(MISSING, "table", "run/b.parquet"),
    Difference(CHANGED, "audio", "data/b.wav", "5 bytes, here 6"),
    Difference(EXTRA, "audio", "data/a.wav"),
    Difference(CHANGED, "audio", "data/a.wav"),
]


def test_every_kind_of_artifact_has_a_group():
    assert set(KINDS) | {"environment", "recomputed", "kernels"} == set(GROUPS)
    assert len(set(GROUPS.values())) == len(GROUPS)


def test_groups_come_in_their_order_and_differences_sorted_whatever_the_order_they_were_found_in():
    expected = {"recordings": [SOME[3], SOME[1], SOME[2]], "tables": [SOME[0]]}
    for found in (SOME, SOME[::-1]):
        assert list(grouped(found).items()) == list(expected.items())
    assert grouped([]) == {}


def test_a_difference_says_what_where_and_how():
    assert [str(one) for one in SOME[:2]] == ["missing: run/b.parquet", "changed: data/b.wav (5 bytes, here 6)"]


def test_a_verification_passes_without_differences_and_is_json():
    passed = Verification("m.json", "0" * 64, 9, [])
    failed = Verification("m.json", "0" * 64, 9, SOME, ["S/fan/00"], ["a note"], [{"table": "scores"}])
    assert (passed.passed, failed.passed) == (True, False)
    said = json.loads(json.dumps(failed.as_json()))
    assert (said["passed"], said["affected"], said["notes"], said["pinned"]) == (False, ["S/fan/00"], ["a note"], 9)
    assert said["differences"][1] == {
        "kind": "changed", "group": "audio", "artifact": "data/b.wav", "detail": "5 bytes, here 6",
    }  # fmt: skip
