"""Reads universal files of functions at nodal DOF (UFF58, text and binary) by pyuff.

A channel is a data set of type 58 that is a response in time, named by its first line. The abscissa's increment (of
unevenly spaced sets its values) and the label of the ordinate's units say rate and unit.

References
----------
Universal File Datasets Summary, data set 58 (Structural Dynamics Research Laboratory, University of Cincinnati): the
increment is written with six digits (record 7, 1PE13.5).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.formats.channels import Channel
from asdcore.data.formats.time_stamps import SECONDS, rate_of
from asdcore.errors import DataError

TIME_RESPONSE, GENERAL, TIME = 1, 0, 17
"""Types of function, and the abscissa of seconds."""

EVEN, REAL = 1, (2, 4)
"""The spacing of evenly sampled sets, and the types of real ordinates."""

_EDGE = re.compile(rb" {4}-1 *\r?(?:\n|\Z)")
"""What begins and ends a data set; binary samples need not end in a new line before it."""

_NONE = ("", "NONE")

MOST = 1 << 24
"""Samples of a data set that is read: pyuff reads it whole, and takes 65 bytes for each, so 1.1 GB."""


class UffRecording:
    """An open universal file; a data set is read whole when samples of it are first asked for."""

    def __init__(self, path: Path) -> None:
        import pyuff

        # pyuff passes over a data set without an end in silence.
        with path.open("rb") as content:
            edges = sum(1 for line in content if _EDGE.search(line))
        if edges % 2:
            raise DataError("cut short, its last data set has no end")
        self._file = pyuff.UFF(str(path))
        self._read: tuple[int, NDArray[Any]] | None = None
        sets = [number for number, kind in enumerate(self._file.get_set_types()) if kind == 58]
        headers = {number: self._file.read_sets(number, header_only=True) for number in sets}
        self.channels = [self._channel(number, about) for number, about in headers.items() if _is_in_time(about)]
        self.others = {
            _named(about): "no real response in time" for about in headers.values() if not _is_in_time(about)
        }

    def read(self, channel: Channel, start: int, stop: int) -> NDArray[Any]:
        """Return samples of a channel."""
        if self._read is None or self._read[0] != channel.key:
            samples = np.asarray(self._file.read_sets(channel.key)["data"])
            if len(samples) != channel.n_samples:
                raise DataError(f"cut short, {len(samples)} of the {channel.n_samples} samples of {channel.name}")
            self._read = channel.key, samples
        return self._read[1][start:stop]

    def _channel(self, number: int, about: dict[str, Any]) -> Channel:
        unit = _header_line(about, "ordinate_axis_units_lab")
        n_samples = int(about["num_pts"])
        if n_samples > MOST:
            trouble = (
                f"has {n_samples} samples, and at most {MOST} are read of a UFF58, since all of them are at once. Save "
                "it as HDF5 or WAV"
            )
            return Channel(_named(about), None, unit, n_samples, number, trouble)
        rate, trouble = self._rate(number, about)
        return Channel(_named(about), rate, unit, n_samples, number, trouble)

    def _rate(self, number: int, about: dict[str, Any]) -> tuple[float | None, str]:
        """Return the sample rate in Hz, and what is wrong with it; none if the abscissa is in an unknown unit."""
        scale = SECONDS.get(_header_line(about, "abscissa_axis_units_lab").lower() or "s")
        if scale is None:
            return None, ""
        if int(about["abscissa_spacing"]) == EVEN:
            return _rate(scale * float(about["abscissa_inc"])), ""
        stamps = scale * np.asarray(self._file.read_sets(number)["x"], dtype=np.float64)
        return rate_of([(0, stamps)], len(stamps) - 1)

    def close(self) -> None:
        """Let the data set go."""
        self._read = None


def _is_in_time(about: dict[str, Any]) -> bool:
    kind, abscissa = int(about["func_type"]), int(about.get("abscissa_spec_data_type", 0))
    return int(about["ord_data_type"]) in REAL and (kind == TIME_RESPONSE or (kind == GENERAL and abscissa == TIME))


def _header_line(about: dict[str, Any], key: str) -> str:
    """Return a line of the header, "" if it says nothing."""
    line = str(about.get(key) or "").strip()
    return "" if line in _NONE else line


def _named(about: dict[str, Any]) -> str:
    """Return the name of a data set: its first line, or else the place that it was measured at."""
    node = f"{str(about.get('rsp_ent_name') or '').strip()} {about.get('rsp_node')} {about.get('rsp_dir')}"
    return _header_line(about, "id1") or node


def _rate(increment: float) -> float | None:
    """Return the rate in Hz of an increment of six digits: the whole number that is written so, if there is one."""
    if not increment > 0:
        return None
    whole = round(1 / increment)
    is_written_so = whole > 0 and f"{1 / whole:.5e}" == f"{increment:.5e}"
    return float(whole) if is_written_so else 1 / increment


open_file = UffRecording
