"""Canonical JSON is RFC 8785, as another implementation writes it."""

from __future__ import annotations

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.store.digests.canonical import canonical_json

text = st.text(st.characters(exclude_categories=["Cs"]))
number = st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False))
value = st.recursive(
    st.one_of(st.none(), st.booleans(), number, text),
    lambda one: st.one_of(st.lists(one, max_size=4), st.dictionaries(text, one, max_size=4)),
    max_leaves=12,
)


@given(value)
def test_it_writes_what_another_implementation_writes(some):
    rfc8785 = pytest.importorskip("rfc8785", reason="the other implementation comes with model-signing")
    assert canonical_json(some) == rfc8785.dumps(some)


@given(value)
def test_it_reads_back_as_the_same_value(some):
    # ECMAScript has one kind of number.
    assert json.loads(canonical_json(some), parse_int=float) == some


def test_numbers_of_the_standard():
    # RFC 8785, Appendix B: the bits of a number and its text.
    for bits, written in {
        "0000000000000000": "0",
        "8000000000000000": "0",
        "0000000000000001": "5e-324",
        "7fefffffffffffff": "1.7976931348623157e+308",
        "4340000000000000": "9007199254740992",
        "c340000000000000": "-9007199254740992",
        "4430000000000000": "295147905179352830000",
        "44b52d02c7e14af5": "9.999999999999997e+22",
        "44b52d02c7e14af6": "1e+23",
        "444b1ae4d6e2ef4e": "999999999999999700000",
        "444b1ae4d6e2ef50": "1e+21",
        "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
        "3eb0c6f7a0b5ed8d": "0.000001",
        "41b3de4355555553": "333333333.3333332",
        "becbf647612f3696": "-0.0000033333333333333333",
    }.items():
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        assert canonical_json(number).decode() == written


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 2**53, b"bytes", {1: 2}, {"a": {1, 2}}])
def test_what_json_cannot_hold_is_refused(wrong):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(wrong)


def test_keys_are_sorted_by_utf_16():
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2, "a": 3}).decode() == '{"a":3,"\U0001f600":1,"\ufb33":2}'
