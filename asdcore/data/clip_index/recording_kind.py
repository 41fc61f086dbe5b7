"""What recordings of one machine have in common (channels, sampling rate, unit), and why another cannot be judged.

A detector, a monitor and an inference ask here, so that they refuse alike. A recording at another rate holds other
bands of sound than were learnt, and one in another unit other levels: both would differ from every train clip for a
reason that has nothing to do with the machine. Nothing is resampled or scaled in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from asdcore.basics.recording_parts import part_name


@dataclass(frozen=True)
class RecordingKind:
    """What the train clips of one machine and section are.

    Attributes
    ----------
    where : str
        Machine and section, for messages.
    channels : int
        How many they have.
    sample_rates : tuple of int
        Their rates in Hz; mostly one.
    unit : str or None
        Of their samples, such as "g"; None if it is unknown.

    Examples
    --------
    >>> from asdcore.data.clip_index.recording_kind import RecordingKind
    >>> kind = RecordingKind("pump section 00", 1, (25600,), "g")
    >>> kind.misfit(1, 25600, "g")
    ''
    >>> kind.misfit(1, 51200, "g").partition(",")[0]
    'it has 1 channel at 51200 Hz in g; the train clips of pump section 00 have 1 channel at 25600 Hz in g'
    """

    where: str
    channels: int
    sample_rates: tuple[int, ...]
    unit: str | None = None

    def misfit(self, channels: int, sample_rate: int, unit: str | None) -> str:
        """Say why a recording cannot be compared with the train clips, without a full stop; "" if it can.

        unit : of its samples; "" if nothing says it; None if whoever gives the samples vouches for them.
        """
        remedies = []
        if channels != self.channels:
            remedies.append(_channels_remedy(self.channels, channels))
        if sample_rate not in self.sample_rates:
            remedies.append(_rate_remedy(self.sample_rates, sample_rate))
        if self.unit is not None and unit not in (None, self.unit):
            remedies.append(_unit_remedy(self.unit, unit or ""))
        if not remedies:
            return ""
        tells_unit = self.unit is not None and unit is not None
        its = _described(channels, str(sample_rate), (unit or "an unknown unit") if tells_unit else None)
        theirs = _described(self.channels, " or ".join(map(str, self.sample_rates)), self.unit if tells_unit else None)
        return f"it has {its}; the train clips of {self.where} have {theirs}, and only that is heard. " + ". ".join(
            remedies
        )


def kind_of(where: str, clips: pl.DataFrame) -> RecordingKind:
    """Return what the train clips of a machine and section are, by their clip index."""
    units = clips["unit"].drop_nulls() if "unit" in clips.columns else clips["clip"].clear()
    rates = tuple(sorted(map(int, clips["sample_rate"].unique())))
    return RecordingKind(where, int(clips["channels"][0]), rates, None if units.is_empty() else str(units[0]))


def _described(channels: int, rate: str, unit: str | None) -> str:
    return f"{channels} channel{'s' * (channels != 1)} at {rate} Hz" + (f" in {unit}" if unit is not None else "")


def _channels_remedy(wanted: int, given: int) -> str:
    if given > wanted == 1:
        return "Name the channel: FILE#channel=1"
    return f"Record with {wanted} channel{'s' * (wanted != 1)}"


def _rate_remedy(wanted: tuple[int, ...], given: int) -> str:
    """A higher rate holds all that was learnt; a lower one lacks its upper bands, and converting does not add them."""
    nearest = max((rate for rate in wanted if rate < given), default=None)
    if nearest is not None:
        return f"Convert it to {nearest} Hz first, such as by 'sox FILE -r {nearest} NEW.wav'"
    return f"Record at {min(wanted)} Hz, or learn from recordings at {given} Hz: above {given / 2:g} Hz it has no sound"


def _unit_remedy(wanted: str, given: str) -> str:
    if given:
        return f"Convert its samples to {wanted}"
    named = part_name("FILE", unit=wanted)
    return f"If its samples are in {wanted}, say so: {named}, the column unit of clips.csv, or monitor --unit {wanted}"
