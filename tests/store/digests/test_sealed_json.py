"""A sealed file shows every change; what it says about seals does not confuse it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import BLANK, FIELD, is_sealed, seal, unsealed

text = st.text(st.characters(exclude_categories=["Cs"]))
value = st.dictionaries(text.filter(lambda key: key != FIELD), st.one_of(text, st.integers(0, 99), st.lists(text)))
CONTENT = seal(canonical_json({"name": "ünïcode", FIELD: unsealed("2026-06-01"), "values": [1, 2.5, None]}))


@given(value, st.sampled_from(["", "2026-06-01T00:00:00Z", "sha256:"]))
def test_what_was_sealed_is_sealed_and_says_the_rest_unchanged(said, time):
    content = seal(canonical_json({**said, FIELD: unsealed(time)}))
    assert is_sealed(content)
    read = json.loads(content)
    assert read.pop(FIELD).startswith(time)
    assert read == said


def test_the_digits_are_the_digest_of_the_file_with_zeros_in_their_place():
    digits = json.loads(CONTENT)[FIELD].removeprefix("2026-06-01 sha256:")
    assert hashlib.sha256(CONTENT.replace(digits.encode(), BLANK.encode())).hexdigest() == digits


def test_any_changed_byte_shows():
    for i in range(len(CONTENT)):
        for other in {CONTENT[i] ^ 1, CONTENT[i] ^ 0x20, 0, ord('"'), ord("0")} - {CONTENT[i]}:
            assert not is_sealed(CONTENT[:i] + bytes([other]) + CONTENT[i + 1 :]), (i, other)


@given(st.data())
def test_any_change_at_all_shows(data):
    start = data.draw(st.integers(0, len(CONTENT)))
    end = data.draw(st.integers(start, len(CONTENT)))
    other = data.draw(st.binary(max_size=8).filter(lambda one: one != CONTENT[start:end]))
    assert not is_sealed(CONTENT[:start] + other + CONTENT[end:])


def test_white_space_after_the_colon_is_no_hindrance():
    content = seal(json.dumps({"a": 1, FIELD: unsealed()}, indent=2).encode())
    assert is_sealed(content)
    assert not is_sealed(content.replace(b": 1", b":1"))


@pytest.mark.parametrize("content", [b"", b"{}", CONTENT + CONTENT, CONTENT[:-9], b'{"sealed":"sha256:00"}'])
def test_a_file_without_one_whole_seal_is_not_sealed(content):
    assert not is_sealed(content)


def test_text_that_speaks_of_a_seal_is_no_seal():
    talk = f'"{FIELD}":"{unsealed()}"'
    content = seal(canonical_json({"note": talk, FIELD: unsealed()}))
    assert is_sealed(content)
    assert json.loads(content)["note"] == talk
