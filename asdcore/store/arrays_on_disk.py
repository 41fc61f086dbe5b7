"""Keeps float32 arrays in a file that need not fit into memory: written, sealed and checked portion by portion.

The bytes are those that :mod:`asdcore.store.fitted_state` packs of a state of these arrays, so that module reads them,
too. What is read here is where each array lies in the file; whoever needs it maps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.disk.atomic import atomic_path
from asdcore.store.fitted_state import FORMAT, KEY, begin_seal, check_seal, head_of, read_header, short

KIND, TYPE, SIZE = "float32", "F32", 4
"""Of numpy, of the file's header, and in bytes."""

PORTION = 1 << 20
"""Bytes that are read at once."""

UNSEALED = 64 * "0"


class InPortions(NamedTuple):
    """An array: its shape, and all its values in C order, as flat arrays."""

    shape: tuple[int, ...]
    portions: Iterable[NDArray[np.float32]]


class Place(NamedTuple):
    """Where an array lies: its first byte in the file, and its shape."""

    start: int
    shape: tuple[int, ...]


def write_arrays(path: Path, arrays: Mapping[str, InPortions], about: Mapping[str, Any]) -> None:
    """Write arrays atomically, no more than a portion of them in memory.

    Parameters
    ----------
    path : Path
        The file.
    arrays : mapping of str to InPortions
        Arrays by name.
    about : mapping of str
        What they are. A JSON value.

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    names = sorted(arrays)
    shapes = {name: arrays[name].shape for name in names}
    head = {"format": FORMAT, "about": dict(about), "values": {}, "sha256": UNSEALED}
    seal = begin_seal(head, {name: (KIND, shape) for name, shape in shapes.items()})
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_header(head, shapes))
        for name in names:
            for portion in arrays[name].portions:
                content = np.ascontiguousarray(portion, "<f4").data
                seal.update(content)
                file.write(content)
        file.seek(0)
        file.write(_header({**head, "sha256": seal.hexdigest()}, shapes))


def read_places(file: IO[bytes]) -> dict[str, Place]:
    """Return where the arrays of a file lie, by name; their bytes are not looked at.

    Raises StoreError, without the name of the file, if it is damaged.
    """
    try:
        return _places(read_header(file), file.tell())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(short(error)) from None


def read_sealed(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Place]]:
    """Return what the arrays of a file are, and where they lie; all bytes are checked against the seal.

    Raises StoreError, without the name of the file, if they are not exactly those that were written.
    """
    try:
        header = read_header(file)
        head, places = head_of(header), _places(header, file.tell())
        seal = begin_seal(head, {name: (KIND, place.shape) for name, place in places.items()})
        size = 0
        while portion := file.read(PORTION):
            seal.update(portion)
            size += len(portion)
        if size != sum(SIZE * prod(place.shape) for place in places.values()):
            raise ValueError("its arrays are shorter or longer than its header says")
        check_seal(head, seal.hexdigest())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(short(error)) from None
    about: dict[str, Any] = head["about"]
    return about, places


def _header(head: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Return the header of a safetensors file: its length, and JSON that ends at a multiple of 8 bytes."""
    entries: dict[str, Any] = {"__metadata__": {KEY: canonical_json(head).decode()}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + SIZE * prod(shape)
        entries[name] = {"dtype": TYPE, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _places(header: Any, start: int) -> dict[str, Place]:
    """Return {name: place} of a header; ``start`` is where the tensors begin. They lie in the order of their names."""
    places, end = {}, 0
    for name in sorted(header.keys() - {"__metadata__"}):
        entry = header[name]
        place = Place(start + end, tuple(entry["shape"]))
        begin, end = end, end + SIZE * prod(place.shape)
        if entry["dtype"] != TYPE or entry["data_offsets"] != [begin, end]:
            raise ValueError(f"its array {name!r} lies where none was written")
        places[name] = place
    return places
