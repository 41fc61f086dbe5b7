"""Arrays on disk have the bytes of a fitted state, lie where they are said to, and are never in memory as a whole."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.store.arrays_on_disk import InPortions, read_places, read_sealed, write_arrays
from asdcore.store.fitted_state import pack, read_state

ABOUT = {"kind": "waveforms", "recipe": "ä"}
names = st.text("0123456789abcdefä", min_size=1, max_size=5)
floats = arrays(np.float32, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5))
many = st.dictionaries(names, floats, max_size=4)


def portions(array: NDArray[np.float32], size: int) -> InPortions:
    flat = array.ravel()
    return InPortions(array.shape, [flat[i : i + size] for i in range(0, len(flat), size)])


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("arrays") / "it"


@given(many, st.integers(1, 6))
def test_the_bytes_are_those_of_a_fitted_state_by_safetensors(path, content, size):
    write_arrays(path, {name: portions(array, size) for name, array in content.items()}, ABOUT)
    assert path.read_bytes() == pack(content, ABOUT)
    assert read_state(path).about == ABOUT


@given(many)
def test_arrays_lie_where_they_are_said_to(content):
    packed = pack(content, ABOUT)
    about, places = read_sealed(io.BytesIO(packed))
    assert about == ABOUT
    assert places == read_places(io.BytesIO(packed))
    for name, array in content.items():
        start, shape = places[name]
        back = np.frombuffer(packed, "<f4", array.size, start).reshape(shape)
        assert (back.shape, back.tobytes()) == (array.shape, array.tobytes())


@given(st.data())
def test_a_file_that_was_changed_is_refused(data):
    packed = bytearray(pack({"a": np.arange(6, dtype=np.float32), "b": np.zeros((2, 3), np.float32)}, ABOUT))
    spoil = data.draw(st.sampled_from(["flip", "cut", "extend"]))
    place = data.draw(st.integers(0, len(packed) - 1))
    if spoil == "flip":
        packed[place] ^= 1 << data.draw(st.integers(0, 7))
    elif spoil == "cut":
        del packed[place:]
    else:
        packed += b"\0" * (1 + place)
    with pytest.raises(StoreError):
        read_sealed(io.BytesIO(packed))


def test_a_state_of_other_arrays_is_refused():
    with pytest.raises(StoreError, match="its array 'a' lies where none was written"):
        read_places(io.BytesIO(pack({"a": np.arange(3)}, ABOUT)))


def test_no_more_than_a_portion_is_in_memory(path):
    n_portions, size = 64, 1 << 16

    def made() -> Iterator[NDArray[np.float32]]:
        for i in range(n_portions):
            yield np.full(size, i, np.float32)

    whole = 4 * n_portions * size
    tracemalloc.start()
    try:
        write_arrays(path, {"a": InPortions((n_portions * size,), made())}, ABOUT)
        with path.open("rb") as file:
            read_sealed(file)
        assert tracemalloc.get_traced_memory()[1] < whole / 4
    finally:
        tracemalloc.stop()
