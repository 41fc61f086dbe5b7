"""Keeps what a component has learnt in one file: arrays as safetensors, the rest as canonical JSON. No pickle.

    header     {"__metadata__": {"asdcore": canonical JSON of format, about, values and sha256}, "<key>": ...}
    tensors    every array, under its keys joined by "/"

``values`` is the state without its arrays, ``about`` says what was fitted to what, and ``sha256`` covers everything
else. A Python float is an array without axes, so that it keeps every bit. The same state always gives the same bytes.
Format of the container: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.parse import parse_json
from asdcore.errors import LostDiskError, PluginError, StoreError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.disk.atomic import write_bytes
from asdcore.store.disk.lost_disk import answering
from asdcore.store.disk.shared_disk import is_regular, unstale

FORMAT = 1
KEY = "asdcore"
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
LARGEST_HEADER = 16_000_000
"""Bytes: no fitted component comes near it, and a longer header is not read."""
DEEPEST = 32
"""Tables and lists inside one another; what is inside itself has no end."""
ALLOWED = f"arrays ({', '.join(DTYPES)}), text, numbers, booleans, None, lists of these without floats, and dicts"


@dataclass(frozen=True)
class Kept:
    """A state, what it is about, and the SHA-256 of the bytes that held it."""

    state: dict[str, Any]
    about: dict[str, Any]
    digest: str


def pack(state: Mapping[str, Any], about: Mapping[str, Any]) -> bytes:
    """Return a state as the bytes of one file.

    Parameters
    ----------
    state : mapping of str
        Arrays, text, numbers, booleans, None, lists (of text, whole numbers, booleans) and dicts of these.
    about : mapping of str
        What was fitted, and to what. A JSON value.

    Raises
    ------
    PluginError
        If the state holds a value of another kind; the message names its key.
    """
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    values = _without_arrays(state, "", arrays)
    head = {"format": FORMAT, "about": dict(about), "values": values}
    try:
        text = canonical_json({**head, "sha256": _seal(head, arrays)}).decode()
    except ValueError as error:
        raise PluginError(f"its state cannot be kept: {error}") from None
    if len(text) > LARGEST_HEADER:
        raise PluginError(f"its state has {len(text):,} bytes besides its arrays. Put long lists into arrays.")
    return save(arrays, {KEY: text})


def unpack(content: bytes, name: str) -> Kept:
    """Return the state that :func:`pack` made ``content`` of; its arrays are read-only.

    Raises StoreError, beginning with ``name``, if the bytes are not exactly what was packed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        head = head_of(read_header(io.BytesIO(content)))
        tensors = load(content)
        check_seal(head, _seal(head, tensors))
        state = _with_arrays(head["values"], tensors)
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise StoreError(f"{name} does not hold a fitted state as it was written: {short(error)}.") from None
    return Kept(state, head["about"], sha256(content).hexdigest())


def write_state(path: Path, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a state to a file atomically. Raises PluginError as :func:`pack`, StoreError if the disk refuses."""
    write_bytes(path, pack(state, about))


def read_state(path: Path, repair: str = "") -> Kept:
    """Read a state. Raises StoreError if the file is missing, damaged, or was changed; it ends with ``repair``."""
    try:
        with answering(path):
            if not is_regular(path):
                raise StoreError(f"{path} is missing, or not a file.")
            return unpack(unstale(path.read_bytes, path), str(path))
    except LostDiskError:
        raise
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}."
    except StoreError as error:
        problem = str(error)
    raise StoreError(f"{problem} {repair}".rstrip())


def read_header(file: IO[bytes]) -> Any:
    """Return the header of a file, which is then read up to its tensors. Raises ValueError if it has none."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, 2 * LARGEST_HEADER):
        raise ValueError(f"its header says {length:,} bytes, and the file has {size:,}")
    return parse_json(file.read(length))


def head_of(header: Any) -> dict[str, Any]:
    """Return asdcore's part of a header. Raises ValueError, KeyError or TypeError if it has none."""
    head = parse_json(header["__metadata__"][KEY])
    if not isinstance(head, dict) or head.keys() != {"format", "about", "values", "sha256"}:
        raise ValueError("its header lacks what asdcore writes")
    return head


def begin_seal(head: Mapping[str, Any], described: Mapping[str, tuple[str, Sequence[int]]]) -> Any:
    """Return the SHA-256 of a head and of {name: (kind, shape)}; the bytes of every array, by name, are to follow."""
    sealed = {key: head[key] for key in ("format", "about", "values")}
    arrays = {name: [kind, list(shape)] for name, (kind, shape) in described.items()}
    return sha256(canonical_json({**sealed, "arrays": arrays}))


def check_seal(head: Mapping[str, Any], seal: str) -> None:
    """Raise ValueError if the seal (hex) of a content is not that in its head, or its format is another one."""
    if seal != head["sha256"]:
        raise ValueError("its content is not the one it was sealed with")
    if head["format"] != FORMAT:
        raise ValueError(f"it has the format {head['format']!r}, this asdcore reads {FORMAT}")


def _seal(head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 (hex) of a head and its arrays: names, kinds, shapes and bytes."""
    digest = begin_seal(head, {name: (array.dtype.name, array.shape) for name, array in arrays.items()})
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return str(digest.hexdigest())


def _without_arrays(state: Mapping[str, Any], path: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the JSON values of a state, and add its arrays to ``arrays``."""
    _check_depth(path.count("/"), path)
    values: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(key, str) or "/" in key or not key:
            raise PluginError(f"its state has a key {key!r}; keys are text without '/'.")
        where = path + key
        if isinstance(value, Mapping):
            values[key] = _without_arrays(value, f"{where}/", arrays)
        elif isinstance(value, np.ndarray | float | np.floating):
            arrays[where] = _kept_array(np.asarray(value), where)
        else:
            values[key] = _json(value, where)
    return values


def _kept_array(array: NDArray[Any], where: str) -> NDArray[Any]:
    if array.dtype.name not in DTYPES:
        raise PluginError(f"its state has at {where!r} an array of {array.dtype}; allowed are {ALLOWED}.")
    return _ordered(array)


def _ordered(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array with its last axis in a row, little-endian, as a file holds it."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _check_depth(depth: int, where: str) -> None:
    if depth > DEEPEST:
        raise PluginError(
            f"its state nests more than {DEEPEST} tables or lists, at '{where[:40]}...'. Put less inside."
        )


def _json(value: Any, where: str, depth: int = 0) -> Any:
    """Return a value that JSON keeps exactly. Raises PluginError for others."""
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list | tuple):
        _check_depth(depth, where)
        return [_json(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise PluginError(f"its state has at {where!r} a {type(value).__name__}; allowed are {ALLOWED}.")


def _with_arrays(values: Any, tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Put arrays back at their keys."""
    state: dict[str, Any] = json.loads(json.dumps(values))
    for path, array in tensors.items():
        *tables, key = path.split("/")
        place = state
        for table in tables:
            place = place[table]
        if key in place:
            raise ValueError(f"it holds {path!r} twice")
        place[key] = array.item() if not array.ndim else _read_only(array)
    return dict(_sorted(state))


def _sorted(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keys in order, at every level, so that a state does not depend on how it was written."""
    for key in sorted(state):
        value = state[key]
        yield key, dict(_sorted(value)) if isinstance(value, dict) else value


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    array = array.view()
    array.flags.writeable = False
    return array


def short(error: Exception) -> str:
    """Return what is wrong with a file, in one line."""
    text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200] if text else type(error).__name__
