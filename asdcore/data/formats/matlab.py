"""Reads MATLAB files: versions 4 to 7 by SciPy, 7.3 by h5py.

A channel is a variable with one long axis; of a matrix ``x``, ``x[2]`` is its second row or column, and ``bearing/x``
is the field of a structure. MATLAB's files name no rate and no unit; a variable that is called as in
:data:`asdcore.data.formats.hdf5.RATES`, in the same structure or one around it, is the rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel, ChannelFile, stated_rate
from asdcore.data.formats.hdf5 import MOST, RATES, Hdf5Recording

NEW = b"MATLAB 7.3"
"""How a file of version 7.3 begins, which is HDF5 inside."""

LARGEST = 1 << 27
"""Numbers of a variable that is read: SciPy reads it whole, in 1.1 GB if they are doubles."""

NUMBERS = ("double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def open_file(path: Path) -> ChannelFile:
    """Open a MATLAB file of any version."""
    with path.open("rb") as file:
        is_new = file.read(len(NEW)) == NEW
    return Hdf5Recording(path, is_matlab=True) if is_new else MatlabRecording(path)


class MatlabRecording:
    """A MATLAB file up to version 7: a variable is read whole when it is first asked for, a structure at once."""

    def __init__(self, path: Path) -> None:
        from scipy.io import whosmat

        self._path = path
        self._read: tuple[str, Any] | None = None
        variables = whosmat(str(path))
        shapes = {name: shape for name, shape, kind in variables if kind in NUMBERS}
        scalars = [name for name, shape in shapes.items() if name.lower() in RATES and max(shape, default=0) == 1]
        rates = {name: self._variable(name).item() for name in scalars}
        self.others = {name: f"{kind} of MATLAB" for name, _, kind in variables if kind not in (*NUMBERS, "struct")}
        self.channels = [
            channel for name, shape in shapes.items() for channel in self._channels_of((name,), shape, rates)
        ]
        for name in (name for name, _, kind in variables if kind == "struct"):
            self.channels += self._fields((name,), self._variable(name), rates)

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        (name, *fields), axis, place = channel.key
        values = self._variable(name)
        for field in fields:
            values = values[field].item()
        return np.asarray(values[start:stop, place] if axis == 0 else values[place, start:stop])

    def close(self) -> None:
        """Let the variable go."""
        self._read = None

    def _variable(self, name: str) -> Any:
        if self._read is None or self._read[0] != name:
            from scipy.io import loadmat

            self._read = name, loadmat(str(self._path), variable_names=[name])[name]
        return self._read[1]

    def _fields(self, path: tuple[str, ...], structure: Any, rates: dict[str, Any]) -> Iterator[Channel]:
        """Yield the channels in the fields of a structure, and note what is none."""
        if structure.size != 1:
            self.others["/".join(path)] = f"{structure.size} structures"
            return
        fields = {name: structure[name].item() for name in structure.dtype.names or ()}
        own = {name: field.item() for name, field in fields.items() if name.lower() in RATES and _is_scalar(field)}
        for name, field in fields.items():
            if getattr(field, "dtype", None) is not None and field.dtype.names:
                yield from self._fields((*path, name), field, own or rates)
            elif isinstance(field, np.ndarray) and field.dtype.kind in "iufc":
                yield from self._channels_of((*path, name), field.shape, own or rates)
            else:
                self.others["/".join((*path, name))] = "no numbers"

    def _channels_of(self, path: tuple[str, ...], shape: tuple[int, ...], rates: dict[str, Any]) -> Iterator[Channel]:
        """Yield the channels of a matrix of numbers, and note one that is no signal. rates : what is said of it."""
        name = "/".join(path)
        if max(shape, default=0) == 1:
            return
        if len(shape) != 2 or not 1 <= min(shape) <= MOST:
            self.others[name] = f"{' x '.join(map(str, shape))} numbers"
            return
        rate, trouble = stated_rate(rates)
        if math.prod(shape) > LARGEST:
            trouble = (
                f"has {math.prod(shape)} numbers, and at most {LARGEST} are read of a MATLAB file before version 7.3, "
                "since all of them are at once. Save it with '-v7.3'"
            )
        axis = int(shape[1] > shape[0])
        many = shape[1 - axis]
        names = [name] if many == 1 else [f"{name}[{number}]" for number in range(1, many + 1)]
        for place, each in enumerate(names):
            yield Channel(each, rate, "", shape[axis], (path, axis, place), trouble)


def _is_scalar(field: Any) -> bool:
    return isinstance(field, np.ndarray) and field.size == 1 and field.dtype.kind in "iuf"
