"""A state comes back from its file to the last bit, and a file that was changed is refused in one message."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load, save

from asdcore.errors import PluginError, StoreError
from asdcore.store.fitted_state import DTYPES, KEY, pack, read_state, unpack, write_state

ABOUT = {"component": "knn", "train": ["ab", "cd"]}
STATE: dict[str, Any] = {
    "bank": np.arange(6, dtype=np.float32).reshape(2, 3),
    "members": {"pooled": np.array([0, 1]), "target": np.array([], dtype=np.int64)},
    "count": 3,
    "scale": -0.0,
    "name": "ä",
    "flags": [True, None, "x", [1]],
    "nothing": {},
}

keys = st.text(st.characters(blacklist_characters="/", codec="utf-8"), min_size=1, max_size=5)
numbers = st.one_of([arrays(dtype, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)) for dtype in DTYPES])
plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(st.characters(codec="utf-8")))
leaves = st.one_of(plain, st.floats(), numbers, st.lists(plain, max_size=3))
states = st.dictionaries(keys, st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3)), max_size=4)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray):
        return bool(first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes())
    if isinstance(first, float):
        return isinstance(second, float) and np.float64(first).tobytes() == np.float64(second).tobytes()
    return type(first) is type(second) and bool(first == second)


@given(states)
def test_every_state_comes_back_with_every_bit(state: dict[str, Any]) -> None:
    kept = unpack(pack(state, ABOUT), "it")
    assert same(state, kept.state)
    assert kept.about == ABOUT


@given(states)
def test_the_same_state_gives_the_same_bytes_in_any_order(state: dict[str, Any]) -> None:
    assert pack(state, ABOUT) == pack(dict(reversed(state.items())), ABOUT)


def test_any_layout_in_memory_comes_back_as_the_same_numbers() -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    big = np.array([1, 2], dtype=">i4")
    state = unpack(pack({"turned": turned, "big": big, "every_other": np.arange(8)[::2]}, {}), "it").state
    assert state["turned"].tolist() == turned.tolist()
    assert state["big"].tolist() == [1, 2]
    assert state["every_other"].tolist() == [0, 2, 4, 6]


def test_arrays_come_back_read_only() -> None:
    state = unpack(pack(STATE, ABOUT), "it").state
    with pytest.raises(ValueError, match="read-only"):
        state["bank"][0, 0] = 1


def test_numpy_numbers_come_back_as_python_numbers() -> None:
    state = unpack(pack({"n": np.int64(4), "yes": np.bool_(True), "x": np.float32(0.1)}, {}), "it").state
    assert state == {"n": 4, "yes": True, "x": float(np.float32(0.1))}
    assert [type(state[key]) for key in ("n", "yes", "x")] == [int, bool, float]


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def endless_table() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["me"] = value
    return value


def nested(depth: int) -> dict[str, Any]:
    return {"in": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("value", [endless(), endless_table(), nested(60)])
def test_what_is_nested_too_deeply_to_be_read_again_is_refused(value: Any) -> None:
    with pytest.raises(PluginError, match="its state nests more than 32 tables or lists, at 'a"):
        pack({"a": value}, {})
    assert unpack(pack({"a": nested(30)}, {}), "it").state == {"a": nested(30)}


def test_a_written_state_is_read_again(tmp_path: Path) -> None:
    write_state(tmp_path / "fitted" / "a.safetensors", STATE, ABOUT)
    kept = read_state(tmp_path / "fitted" / "a.safetensors")
    assert same(STATE, kept.state)
    assert math.copysign(1, kept.state["scale"]) == -1


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([None]), "object"),
        (np.zeros(2, np.float16), "float16"),
        (np.zeros(2, np.complex128), "complex128"),
        ([0.5], "float"),
        ({1, 2}, "set"),
        (b"ab", "bytes"),
        (STATE.get, "builtin_function_or_method"),
    ],
)
def test_a_value_of_another_kind_is_named_by_its_key(value: Any, named: str) -> None:
    with pytest.raises(PluginError, match=f"'inner/bad.*{named}.*allowed are arrays"):
        pack({"inner": {"bad": value}}, {})


@pytest.mark.parametrize("key", ["a/b", "", 3])
def test_a_key_of_another_kind_is_refused(key: Any) -> None:
    with pytest.raises(PluginError, match="keys are text without '/'"):
        pack({key: 1}, {})


def test_a_whole_number_that_json_does_not_hold_is_refused() -> None:
    with pytest.raises(PluginError, match="9007199254740993"):
        pack({"n": 2**53 + 1}, {})


def resealed(change: Any) -> bytes:
    """Return a file whose arrays or header were changed by another tool, the seal being left as it was."""
    content = pack(STATE, ABOUT)
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    tensors = dict(load(content))
    change(tensors, metadata)
    return save(tensors, metadata)


CHANGES = {
    "another shape": lambda tensors, _: tensors.update(bank=tensors["bank"].reshape(3, 2)),
    "another kind": lambda tensors, _: tensors.update(bank=tensors["bank"].view(np.int32)),
    "an array less": lambda tensors, _: tensors.pop("bank"),
    "an array more": lambda tensors, _: tensors.update(more=np.zeros(1)),
    "another number": lambda tensors, _: tensors["bank"].__setitem__((0, 0), 7),
    "no metadata": lambda _, metadata: metadata.clear(),
    "no JSON": lambda _, metadata: metadata.update({KEY: "{"}),
    "a list": lambda _, metadata: metadata.update({KEY: "[]"}),
    "another format": lambda _, metadata: metadata.update({KEY: metadata[KEY].replace('"format":1', '"format":2')}),
    "a value less": lambda _, metadata: metadata.update({KEY: metadata[KEY].replace('"count":3,', "")}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_is_refused(change: Any) -> None:
    with pytest.raises(StoreError, match="^here does not hold a fitted state as it was written: "):
        unpack(resealed(lambda tensors, metadata: change(tensors, metadata)), "here")


def test_every_changed_byte_and_every_cut_is_refused() -> None:
    content = pack(STATE, ABOUT)
    for i in range(len(content)):
        for damaged in (content[:i], content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]):
            try:
                kept = unpack(damaged, "here")
            except StoreError:
                continue
            # White space that pads a header says nothing, nor does the case of a digit in an escape.
            assert same(kept.state, STATE)
            assert kept.about == ABOUT
            assert kept.digest != unpack(content, "here").digest


def test_a_header_longer_than_the_file_is_refused_unread() -> None:
    content = (2 * 10**9).to_bytes(8, "little") + b"{}"
    with pytest.raises(StoreError, match=r"its header says 2,000,000,000 bytes, and the file has 10"):
        unpack(content, "here")


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StoreError, match="missing, or not a file"):
            read_state(path)
