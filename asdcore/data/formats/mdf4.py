"""Reads MDF (versions 3 and 4, of ASAM) by asammdf.

A channel is named as in the file; its unit is in the file, and its rate is read off the time stamps of its group.
"""

from __future__ import annotations

import gc
import sys
import traceback
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.data.formats.mdf4_units import formula_of, in_unit, is_computed
from asdcore.data.formats.time_stamps import both_ends, check_steps, rate_of
from asdcore.errors import DataError

TIME = 1
"""What the channel of time of a group may count: 1 is seconds; others are angle, distance and index."""


class MdfRecording:
    """An open MDF file; only the samples that are asked for are read."""

    def __init__(self, path: Path) -> None:
        self.others: dict[str, str] = {}
        with ExitStack() as if_it_fails:
            # Of a file that asammdf opens itself it reads all samples of a channel, however few are asked for.
            raw = if_it_fails.enter_context(path.open("rb"))
            self._file = if_it_fails.enter_context(closing(_opened(raw)))
            self.channels = [
                channel
                for group, about in enumerate(self._file.groups)
                if about.channel_group.cycles_nr > 1
                for channel in self._channels_of(group, about)
            ]
            self._close = if_it_fails.pop_all().close

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel, in its unit; raises DataError if time jumps among them or some are invalid."""
        group, index = channel.key
        signal = self._signal(group, index, record_offset=start, record_count=stop - start)
        if invalid := stop - start - len(signal.samples):
            raise DataError(
                f"its channel {channel.name} has {invalid} samples that are missing, or that the file marks as invalid"
            )
        if channel.rate is not None:
            before = max(0, start - 1)
            check_steps(self._stamps(group, before, stop), channel.rate, before, channel.name)
        return np.asarray(signal.samples)

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _channels_of(self, group: int, about: Any) -> list[Channel]:
        """Return the channels of numbers of a group, and note the others."""
        n_samples, master = about.channel_group.cycles_nr, self._file.masters_db.get(group)
        if master is not None and formula_of(about.channels[master].conversion):
            self.others |= {channel.name: "sampled at times that a formula gives" for channel in about.channels}
            return []
        rate, trouble = (None, "") if master is None else self._rate(group, n_samples, about.channels[master])
        channels = []
        for index, channel in enumerate(about.channels):
            if index == master:
                continue
            try:
                first = self._signal(group, index, record_offset=0, record_count=1, ignore_invalidation_bits=True)
            except DataError as error:
                channels.append(Channel(channel.name, rate, "", n_samples, (group, index), str(error)))
                continue
            if first.samples.dtype.kind in "iuf" and first.samples.ndim == 1:
                channels.append(Channel(channel.name, rate, first.unit or "", n_samples, (group, index), trouble))
            else:
                self.others[channel.name] = f"of the type {first.samples.dtype}"
        return channels

    def _signal(self, group: int, index: int, **which: Any) -> Any:
        """Return samples of a channel in its unit, as asammdf's Signal; raises DataError if its formula is not read."""
        conversion = self._file.groups[group].channels[index].conversion
        computed = is_computed(conversion)
        signal = self._file.get(group=group, index=index, raw=computed, **which)
        if computed:
            signal.samples = in_unit(signal.samples, conversion)
        return signal

    def _rate(self, group: int, n_samples: int, master: Any) -> tuple[float | None, str]:
        if getattr(master, "sync_type", TIME) != TIME:
            return None, f"is not sampled in time: the axis {master.name} counts something else"
        return rate_of(both_ends(n_samples, lambda start, stop: self._stamps(group, start, stop)), n_samples - 1)

    def _stamps(self, group: int, start: int, stop: int) -> NDArray[Any]:
        """Return time stamps in seconds."""
        return np.asarray(self._file.get_master(group, record_offset=start, record_count=stop - start))


def _opened(raw: BinaryIO) -> Any:
    """Open a file that is open as bytes; raises DataError if it is damaged."""
    from asammdf import MDF

    try:
        return MDF(raw)
    except Exception as error:
        # What asammdf had begun to make complains when it is deleted, which says nothing of the file.
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            traceback.clear_frames(error.__traceback__)
            gc.collect()
        finally:
            sys.unraisablehook = hook
        why = " ".join(str(error).replace(f'"{raw}"', "it").split())
        raise DataError(f"is damaged or cut short ({type(error).__name__}: {why})") from None


open_file = MdfRecording
