"""Notes which encoders hear recordings of a higher sampling rate than their own: what lies above is not heard.

A fault at 12 kHz in a recording at 48 kHz changes no score if the encoder hears at 16 kHz, and no result shows that.
Nothing is said of an encoder whose rate cannot be chosen, such as a network, or that looks at lower frequencies alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from asdcore.contract.plugins import Component, Plugins
from asdcore.portfolio import Branch, EncoderChoice
from asdcore.stages.notes_on_data.audio_empty_bands import RATE, highest, is_free, rate_of, written


def notes(clips: pl.DataFrame, branches: Mapping[str, Branch], plugins: Plugins, device: str | None) -> list[str]:
    """Return a line for every encoder of any rate that hears at a lower one than recordings have.

    clips : the clip index, or its column ``sample_rate`` (Hz, null if unknown).
    """
    rates = clips.drop_nulls(RATE).group_by(RATE).len().sort(RATE).rows()
    branches_of: dict[str, list[str]] = {}
    for name, branch in branches.items():
        for part in branch.parts:
            component = plugins.component("encoder", part.encoder.name)
            if line := _line(part.encoder, component, rates, device):
                branches_of.setdefault(line, []).append(name)
    return [f"{line} Branches: {', '.join(dict.fromkeys(names))}." for line, names in branches_of.items()]


def _line(choice: EncoderChoice, component: Component, rates: list[tuple[int, int]], device: str | None) -> str | None:
    """Return a line on recordings with a rate above that of an encoder; rates has (Hz, clips), the lowest first."""
    if not rates or hasattr(component.factory, "prepare_recording") or not is_free(choice, component):
        return None
    hears = rate_of(choice, component, rates[0][0], device, is_free=True)
    above = [(rate, count) for rate, count in rates if hears and rate > hears]
    if not above or hears is None or highest(choice, component, hears, device) < hears / 2:
        return None
    listed = " and ".join(f"{count} clip{'s' * (count > 1)} at {rate} Hz" for rate, count in above)
    what = written(choice, component, above[-1][0], hears, device)
    where = "for those at that rate alone" if len(rates) > 1 else "of your own"
    return (
        f"{listed} heard by encoder {choice.name!r} at {hears} Hz: what sounds above {hears / 2:g} Hz is not heard. If "
        f"a fault may: {what[0].lower()}{what[1:]} in a portfolio {where}."
    )
