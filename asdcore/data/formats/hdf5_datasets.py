"""What a dataset of HDF5 says of itself: if all of it is there, how its numbers are meant, what it is to MATLAB."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import h5py

MATLAB_NUMBERS = ("double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
"""MATLAB's classes of variables that may be samples."""


def attributes(place: h5py.Dataset | h5py.Group) -> dict[str, Any]:
    """Return attributes by their names in small letters: arrays, and text as str; empty ones are left out."""
    by_name = {}
    for key, value in place.attrs.items():
        values = np.asarray(value).reshape(-1)
        if values.size and not (values.dtype.kind == "O" and type(values[0]).__name__ == "Empty"):
            by_name[key.lower()] = [
                each.decode(errors="replace") if isinstance(each, bytes) else each for each in values
            ]
    return by_name


def around(place: h5py.Dataset) -> Iterator[h5py.Dataset | h5py.Group]:
    """Yield a dataset, and the groups that it lies in, from the inside out."""
    here: Any = place
    yield here
    while here.name != "/":
        here = here.parent
        yield here


def trouble_of(dataset: h5py.Dataset) -> str:
    """Say why not all of a dataset is in the file, which HDF5 would fill with zeros; "" if it is."""
    if dataset.is_virtual:
        folder = Path(dataset.file.filename).parent
        sources = (source.file_name for source in dataset.virtual_sources())
        gone = [name for name in sources if name != "." and "%" not in name and not (folder / name).is_file()]
        return f"is put together from other files, and one is missing: {gone[0]}" if gone else ""
    if dataset.external:
        return ""
    if dataset.chunks is None:
        return "" if dataset.id.get_storage_size() else "was never written"
    pairs = zip(dataset.shape, dataset.chunks, strict=True)
    needed = math.prod(-(-length // chunk) for length, chunk in pairs)
    written = dataset.id.get_num_chunks()
    return "" if written >= needed else f"was not written to its end: {written} of {needed} chunks are there"


def numbers(values: NDArray[Any], about: Mapping[str, Any]) -> NDArray[Any]:
    """Return packed values as the numbers that they mean: scaled, moved, and NaN where the file has none.

    about : attributes of the dataset, by name in small letters, such as ``scale_factor``.

    References
    ----------
    CF Metadata Conventions 1.11 (2023), sections 2.5.1 (missing data) and 8.1 (packed data: scale_factor, add_offset).
    """
    lacking = [about[name][0] for name in ("_fillvalue", "missing_value") if name in about]
    factor, offset = about.get("scale_factor", [1])[0], about.get("add_offset", [0])[0]
    if not lacking and (factor, offset) == (1, 0):
        return values
    unpacked = np.asarray(values, dtype=np.float64) * float(factor) + float(offset)
    return np.where(np.isin(values, np.asarray(lacking)), np.nan, unpacked) if lacking else unpacked


def what_else(dataset: h5py.Dataset) -> str:
    """Say why a dataset is no signal, "" if it may be one."""
    about = attributes(dataset)
    matlab = str(about.get("matlab_class", ["double"])[0])
    if matlab not in MATLAB_NUMBERS:
        return f"{matlab} of MATLAB"
    if "matlab_empty" in about or not dataset.size:
        return "empty"
    if "MATLAB_sparse" in dataset.parent.attrs:
        return "part of a sparse matrix"
    if dataset.dtype.kind not in "iuf":
        return "a table with fields" if dataset.dtype.names else f"of the type {dataset.dtype}"
    if len(dataset.shape) > 2:
        return f"of {len(dataset.shape)} dimensions"
    return "a time or other axis" if dataset.is_scale else ""
