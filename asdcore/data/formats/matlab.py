"""Reads MATLAB files: versions 4 to 7 by SciPy, 7.3 by h5py.

A channel is a variable with one long axis; of a matrix ``x``, ``x[2]`` is its second row or column. MATLAB's files name
no rate and no unit; a variable that is called as in :data:`asdcore.data.formats.hdf5.RATES` is the rate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel, ChannelFile
from asdcore.data.formats.hdf5 import MOST, RATES, Hdf5Recording

NEW = b"MATLAB 7.3"
"""How a file of version 7.3 begins, which is HDF5 inside."""

NUMBERS = ("double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def open_file(path: Path) -> ChannelFile:
    """Open a MATLAB file of any version."""
    with path.open("rb") as file:
        is_new = file.read(len(NEW)) == NEW
    return Hdf5Recording(path, is_matlab=True) if is_new else MatlabRecording(path)


class MatlabRecording:
    """A MATLAB file up to version 7: a variable is read whole when it is first asked for."""

    def __init__(self, path: Path) -> None:
        from scipy.io import whosmat

        self._path = path
        self._read: tuple[str, NDArray[Any]] | None = None
        variables = [(name, shape) for name, shape, kind in whosmat(str(path)) if kind in NUMBERS and len(shape) == 2]
        scalars = {name.lower(): name for name, shape in variables if max(shape) == 1}
        rate = next((float(self._variable(scalars[name]).item()) for name in RATES if name in scalars), None)
        self.channels = [channel for name, shape in variables for channel in _channels_of(name, shape, rate)]

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        name, axis, place = channel.key
        values = self._variable(name)
        return values[start:stop, place] if axis == 0 else values[place, start:stop]

    def close(self) -> None:
        """Let the variable go."""
        self._read = None

    def _variable(self, name: str) -> NDArray[Any]:
        if self._read is None or self._read[0] != name:
            from scipy.io import loadmat

            self._read = name, np.asarray(loadmat(str(self._path), variable_names=[name])[name])
        return self._read[1]


def _channels_of(name: str, shape: tuple[int, int], rate: float | None) -> list[Channel]:
    axis = int(shape[1] > shape[0])
    many = shape[1 - axis]
    if max(shape) < 2 or not 1 <= many <= MOST:
        return []
    names = [name] if many == 1 else [f"{name}[{number}]" for number in range(1, many + 1)]
    return [Channel(each, rate, "", shape[axis], (name, axis, place)) for place, each in enumerate(names)]
