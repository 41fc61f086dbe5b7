"""Reads HDF5 by h5py.

A channel is a dataset of numbers, named by its path in the file. Of a dataset with two axes the longer is time, and
each place on the other is a channel: ``sensors/accel[2]`` is the second. Attributes of the dataset, or of a group that
it lies in, say rate and unit; see :data:`RATES` and :data:`UNITS`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel

if TYPE_CHECKING:
    import h5py

RATES = ("sample_rate", "samplerate", "sampling_rate", "sampling_frequency", "fs")
"""Names, in any case, of an attribute or a variable that is the sample rate in Hz."""

UNITS = ("unit", "units")
"""Names, in any case, of an attribute that is the unit."""

MOST = 256
"""Rows or columns of a dataset that may be channels."""


class Hdf5Recording:
    """An open HDF5 file; only the samples that are asked for are read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    is_matlab : bool
        Whether MATLAB wrote it: then a scalar beside the channels may say the rate.
    """

    def __init__(self, path: Path, *, is_matlab: bool = False) -> None:
        import h5py

        self._is_matlab = is_matlab
        with ExitStack() as if_it_fails:
            file = if_it_fails.enter_context(h5py.File(path, "r"))
            datasets: list[h5py.Dataset] = []
            file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
            self.channels = [channel for dataset in datasets for channel in self._channels_of(dataset)]
            self._close = if_it_fails.pop_all().close

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        dataset, axis, place = channel.key
        if axis is None:
            return np.asarray(dataset[start:stop])
        return np.asarray(dataset[start:stop, place] if axis == 0 else dataset[place, start:stop])

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _channels_of(self, dataset: h5py.Dataset) -> list[Channel]:
        """Return the channels of a dataset; none if it is not a signal."""
        name, shape = dataset.name.lstrip("/"), dataset.shape
        if dataset.dtype.kind not in "iuf" or name.startswith("#") or not shape or len(shape) > 2 or max(shape) < 2:
            return []
        rate, unit = self._rate(dataset), str(self._attribute(dataset, UNITS) or "")
        if len(shape) == 1:
            return [Channel(name, rate, unit, shape[0], (dataset, None, 0))]
        axis = int(shape[1] > shape[0])
        many = shape[1 - axis]
        if many > MOST:
            return []
        names = [name] if many == 1 else [f"{name}[{number}]" for number in range(1, many + 1)]
        return [Channel(each, rate, unit, shape[axis], (dataset, axis, place)) for place, each in enumerate(names)]

    def _rate(self, dataset: h5py.Dataset) -> float | None:
        rate = self._attribute(dataset, RATES)
        if rate is None and self._is_matlab:
            beside = {key.lower(): item for key, item in dataset.parent.items() if getattr(item, "size", 0) == 1}
            rate = next((beside[name][()] for name in RATES if name in beside), None)
        return None if rate is None else float(np.asarray(rate).reshape(-1)[0])

    def _attribute(self, dataset: h5py.Dataset, names: tuple[str, ...]) -> Any:
        """Return an attribute of the dataset, or of the nearest group around it that has one."""
        place = dataset
        while True:
            attributes = {key.lower(): value for key, value in place.attrs.items()}
            for name in names:
                if name in attributes:
                    value = np.asarray(attributes[name]).reshape(-1)[0]
                    return value.decode() if isinstance(value, bytes) else value
            if place.name == "/":
                return None
            place = place.parent


open_file = Hdf5Recording
