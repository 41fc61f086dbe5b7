"""Reads TDMS, the files of LabVIEW and its loggers, by npTDMS.

A channel is named ``group/channel``, as in the file. The properties ``wf_increment`` (seconds from one sample to the
next) and ``unit_string`` say rate and unit.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.errors import DataError

UNITS = ("unit_string", "NI_UnitDescription")


class TdmsRecording:
    """An open TDMS file; only the samples that are asked for are read."""

    def __init__(self, path: Path) -> None:
        from nptdms import TdmsFile
        from nptdms.log import log_manager

        log_manager.set_level(logging.ERROR)  # what it warns of is refused here
        with ExitStack() as if_it_fails:
            raw = if_it_fails.enter_context(path.open("rb"))
            self._file = TdmsFile.open(raw)
            status = self._file.file_status
            if status.incomplete_final_segment:
                lost = sum(each.expected_length - each.read_length for each in (status.channel_statuses or {}).values())
                raise DataError(f"cut short, {lost} of the samples that its last segment promises are missing")
            channels = [channel for group in self._file.groups() for channel in group.channels()]
            self.others = {_name(channel): what for channel in channels if (what := _no_sound(channel))}
            self.channels = [self._channel(channel) for channel in channels if not _no_sound(channel)]
            self._close = if_it_fails.pop_all().close

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel, scaled as the file says."""
        samples: NDArray[Any] = channel.key.read_data(offset=start, length=stop - start, scaled=True)
        return samples

    def _channel(self, channel: Any) -> Channel:
        rate, trouble = _rate(channel)
        levels = channel.properties, self._file[channel.group_name].properties, self._file.properties
        return Channel(_name(channel), rate, _unit(channel), len(channel), channel, trouble or _unscaled(*levels))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._close()


def _name(channel: Any) -> str:
    return f"{channel.group_name}/{channel.name}"


def _no_sound(channel: Any) -> str:
    """Say why a channel is no sound, "" if it is."""
    kind = None if channel.dtype is None else np.dtype(channel.dtype)
    if kind is None or not len(channel):
        return "no samples"
    if kind.kind == "V":
        return "raw samples of DAQmx, without the scaling that makes numbers of them"
    return "" if kind.kind in "iuf" else f"of the type {kind}"


def _unscaled(*levels: Mapping[str, Any]) -> str:
    """Say which scaling npTDMS does not know, and passes over in silence; "" if there is none.

    levels : the properties of a channel, of its group and of the file.
    """
    from nptdms.scaling import get_scaling

    scaled = [
        properties
        for properties in levels
        if properties.get("NI_Number_Of_Scales") and properties.get("NI_Scaling_Status", "unscaled") != "scaled"
    ]
    if not scaled or get_scaling(*levels) is not None:
        return ""
    kinds = [str(value) for name, value in scaled[0].items() if name.endswith("_Scale_Type")]
    return f"is scaled in a way that npTDMS does not know ({', '.join(kinds)})"


def _rate(channel: Any) -> tuple[float | None, str]:
    """Return the sample rate in Hz, and what is wrong with it."""
    increment = channel.properties.get("wf_increment")
    if increment is None or increment == 0:
        return None, ""
    try:
        rate = 1 / float(increment)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 < rate < math.inf:
        return None, f"says that wf_increment is {increment}, and a number of seconds is allowed"
    return rate, ""


def _unit(channel: Any) -> str:
    return next((str(channel.properties[name]) for name in UNITS if channel.properties.get(name)), "")


open_file = TdmsRecording
