"""Reads HDF5 by h5py.

A channel is a dataset of numbers, named by its path in the file. Of a dataset with two axes the longer is time, and
each place on the other is a channel: ``sensors/accel[2]`` is the second. Attributes of the dataset, or of a group that
it lies in, say rate and unit, for all channels or one for each; see :data:`RATES` and :data:`UNITS`. An axis of time
that is attached as a dimension scale, with a unit such as s, says the rate, too.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel, stated_rate
from asdcore.data.formats.hdf5_datasets import around, attributes, numbers, trouble_of, what_else
from asdcore.data.formats.time_stamps import SECONDS, both_ends, check_steps, rate_of

if TYPE_CHECKING:
    import h5py

RATES = ("sample_rate", "samplerate", "sampling_rate", "sampling_frequency", "fs", "sr")
"""Names, in any case, of an attribute or a variable that is the sample rate in Hz."""

UNITS = ("unit", "units")
"""Names, in any case, of an attribute that is the unit."""

MOST = 256
"""Rows or columns of a dataset that may be channels."""


class _Place(NamedTuple):
    """Where a channel lies: the axis of time (None: there is one axis), the place on the other, and the stamps."""

    dataset: h5py.Dataset
    axis: int | None
    place: int
    stamps: h5py.Dataset | None
    scale: float


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
        self.others: dict[str, str] = {}
        with ExitStack() as if_it_fails:
            file = if_it_fails.enter_context(h5py.File(path, "r"))
            datasets: list[h5py.Dataset] = []
            file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
            self.channels = [channel for dataset in datasets for channel in self._channels_of(dataset)]
            self._close = if_it_fails.pop_all().close

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel; raises DataError if its time stamps jump among them."""
        dataset, axis, place, stamps, scale = channel.key
        if stamps is not None and channel.rate is not None:
            before = max(0, start - 1)
            check_steps(scale * stamps[before:stop].astype(np.float64), channel.rate, before, channel.name)
        if axis is None:
            values = dataset[start:stop]
        else:
            values = dataset[start:stop, place] if axis == 0 else dataset[place, start:stop]
        return numbers(np.asarray(values), attributes(dataset))

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _channels_of(self, dataset: h5py.Dataset) -> list[Channel]:
        """Return the channels of a dataset; none if it is not a signal, which is noted."""
        name, shape = dataset.name.lstrip("/"), dataset.shape
        if name.startswith("#") or not shape or max(shape) == 1:
            return []
        axis = 0 if len(shape) == 1 else int(shape[1] > shape[0])
        many = 1 if len(shape) == 1 else shape[1 - axis]
        if why := what_else(dataset) or (f"{shape[0]} x {shape[1]} numbers" if many > MOST else ""):
            self.others[name] = why
            return []
        names = [name] if many == 1 else [f"{name}[{number}]" for number in range(1, many + 1)]
        return [
            self._channel(each, dataset, axis, place if len(shape) > 1 else None, many)
            for place, each in enumerate(names)
        ]

    def _channel(self, name: str, dataset: h5py.Dataset, axis: int, place: int | None, many: int) -> Channel:
        n_samples, number = dataset.shape[axis], place or 0
        rate, trouble = stated_rate(self._rates(dataset, number, many))
        unit = next(iter(_attributes_named(dataset, UNITS, number, many).values()), "")
        stamps, scale = (None, 1.0) if rate or trouble else _axis_of_time(dataset, axis)
        if stamps is not None:
            ends = both_ends(n_samples, lambda start, stop: scale * stamps[start:stop].astype(np.float64))
            rate, trouble = rate_of(ends, n_samples - 1)
        key = _Place(dataset, None if place is None else axis, number, stamps, scale)
        return Channel(name, rate, str(unit), n_samples, key, trouble_of(dataset) or trouble)

    def _rates(self, dataset: h5py.Dataset, number: int, many: int) -> dict[str, Any]:
        """Return what the file says of the sample rate of a channel, by the names that say it."""
        if (own_rates := _attributes_named(dataset, RATES, number, many)) or not self._is_matlab:
            return own_rates
        for group in list(around(dataset))[1:]:
            beside = {
                key.lower(): item[()].reshape(-1)[0]
                for key, item in group.items()
                if key.lower() in RATES and getattr(item, "size", 0) == 1 and not what_else(item)
            }
            if beside:
                return beside
        return {}


def _attributes_named(dataset: h5py.Dataset, names: tuple[str, ...], number: int, many: int) -> dict[str, Any]:
    """Return what the dataset, or else the nearest group around it, says under some names.

    Of several values, as many as there are channels, the channel's own.
    """
    for place in around(dataset):
        present = attributes(place)
        values = {name: present[name] for name in names if name in present}
        if values:
            return {
                name: each[0] if len(each) == 1 else each[number] if len(each) == many else ", ".join(map(str, each))
                for name, each in values.items()
            }
    return {}


def _axis_of_time(dataset: h5py.Dataset, axis: int) -> tuple[h5py.Dataset | None, float]:
    """Return the time stamps that are attached to an axis, and their unit in seconds."""
    for stamps in dataset.dims[axis].values():
        unit = str(next(iter(_attributes_named(stamps, UNITS, 0, 1).values()), "")).lower()
        if unit in SECONDS and stamps.shape == (dataset.shape[axis],):
            return stamps, SECONDS[unit]
    return None, 1.0


open_file = Hdf5Recording
