"""Reads MDF (versions 3 and 4, of ASAM) by asammdf.

A channel is named as in the file; its unit is in the file, and its rate is read off the time stamps of its group.
"""

from __future__ import annotations

import gc
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.data.formats.time_stamps import rate_of
from asdcore.errors import DataError

STAMPS = 4096
"""Time stamps that are looked at, at the begin and at the end of a group."""


class MdfRecording:
    """An open MDF file; only the samples that are asked for are read."""

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        self.channels = [
            channel
            for group, about in enumerate(self._file.groups)
            if about.channel_group.cycles_nr > 1
            for channel in self._channels_of(group, about)
        ]

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel, in its unit."""
        group, index = channel.key
        signal = self._file.get(group=group, index=index, record_offset=start, record_count=stop - start)
        return np.asarray(signal.samples)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _channels_of(self, group: int, about: Any) -> list[Channel]:
        """Return the channels of numbers of a group."""
        n_samples, master = about.channel_group.cycles_nr, self._file.masters_db.get(group)
        rate, trouble = (None, "") if master is None else self._rate(group, n_samples)
        channels = []
        for index, channel in enumerate(about.channels):
            if index == master:
                continue
            first = self._file.get(group=group, index=index, record_offset=0, record_count=1)
            if first.samples.dtype.kind in "iuf" and first.samples.ndim == 1:
                channels.append(Channel(channel.name, rate, first.unit or "", n_samples, (group, index), trouble))
        return channels

    def _rate(self, group: int, n_samples: int) -> tuple[float | None, str]:
        starts = sorted({0, max(0, n_samples - STAMPS)})
        stretches = [
            (start, self._file.get_master(group, record_offset=start, record_count=min(STAMPS, n_samples)))
            for start in starts
        ]
        return rate_of(stretches, n_samples - 1)


def _opened(path: Path) -> Any:
    """Open a file; raises DataError if it is damaged."""
    from asammdf import MDF

    try:
        return MDF(str(path))
    except Exception as error:
        # What asammdf had begun to make complains when it is deleted, which says nothing of the file.
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            traceback.clear_frames(error.__traceback__)
            gc.collect()
        finally:
            sys.unraisablehook = hook
        why = " ".join(str(error).split())
        raise DataError(f"is damaged or cut short ({type(error).__name__}: {why})") from None


open_file = MdfRecording
