"""Reads TDMS, the files of LabVIEW and its loggers, by npTDMS.

A channel is named ``group/channel``, as in the file. The properties ``wf_increment`` (seconds from one sample to the
next) and ``unit_string`` say rate and unit.
"""

from __future__ import annotations

import logging
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

        logging.getLogger("nptdms").setLevel(logging.ERROR)  # what it warns of is refused here
        with ExitStack() as if_it_fails:
            raw = if_it_fails.enter_context(path.open("rb"))
            self._file = TdmsFile.open(raw)
            status = self._file.file_status
            if status.incomplete_final_segment:
                lost = sum(each.expected_length - each.read_length for each in (status.channel_statuses or {}).values())
                raise DataError(f"cut short, {lost} of the samples that its last segment promises are missing")
            self.channels = [
                Channel(f"{group.name}/{channel.name}", _rate(channel), _unit(channel), len(channel), channel)
                for group in self._file.groups()
                for channel in group.channels()
                if channel.dtype is not None and np.dtype(channel.dtype).kind in "iuf" and len(channel)
            ]
            self._close = if_it_fails.pop_all().close

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel, scaled as the file says."""
        samples: NDArray[Any] = channel.key.read_data(offset=start, length=stop - start, scaled=True)
        return samples

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._close()


def _rate(channel: Any) -> float | None:
    increment = channel.properties.get("wf_increment")
    return 1 / float(increment) if increment else None


def _unit(channel: Any) -> str:
    return next((str(channel.properties[name]) for name in UNITS if channel.properties.get(name)), "")


open_file = TdmsRecording
