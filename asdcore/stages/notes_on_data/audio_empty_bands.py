"""Notes which encoders hear recordings of a lower sampling rate than their own: their upper bands hold no sound.

Resampling to a higher rate leaves nothing above half of the recording's rate but rounding, at -120 to -150 dB. An
encoder that takes logarithms hears it all the same: with white noise at 8 kHz heard by ``logmel`` at 16 kHz these bands
make up 39 % of the squared distance between clips. At its own rate a recording has no such bands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

import polars as pl

from asdcore.components.checkpoints import CHECKPOINT, pinned
from asdcore.compute.encoding.built_encoders import build_encoder
from asdcore.contract.plugins import Component, Plugins
from asdcore.errors import AsdcoreError, blamed, located
from asdcore.portfolio import Branch, EncoderChoice

RATE = "sample_rate"

FRAMES = ("n_fft", "hop")
"""Parameters that count samples."""

TRAINED = (
    "Its network was trained at that rate. An encoder that takes any sample_rate hears such recordings as they are: "
    "docs/recordings.md names some."
)
"""What is said of a network of one rate."""

TELLS_APART = "A network that is trained to tell machines apart can do so by that alone. "
"""What is said of an encoder that is fitted, if only some machines' recordings have such bands."""

ORDINARY = 16_000
"""Hz. A network trained at a higher rate is published for clips of this rate, too, and the rounding that it hears is
below the floor of its logarithm (docs/recordings.md has the figures). So nothing is said of it."""


def notes(clips: pl.DataFrame, branches: Mapping[str, Branch], plugins: Plugins, device: str | None) -> list[str]:
    """Return a line for every encoder and sampling rate that is below what the encoder hears.

    clips : the clip index, or its columns ``machine`` and ``sample_rate`` (Hz, null if unknown).
    """
    with_rate = clips.drop_nulls(RATE)
    by_rate = with_rate.group_by(RATE).agg(pl.len(), pl.col("machine").unique().sort()).sort(RATE).rows()
    branches_of: dict[str, list[str]] = {}
    for name, branch in branches.items():
        for part in branch.parts:
            component = plugins.component("encoder", part.encoder.name)
            for line in _lines(part.encoder, component, by_rate, device):
                branches_of.setdefault(line, []).append(name)
    return [f"{line} Branches: {', '.join(dict.fromkeys(names))}." for line, names in branches_of.items()]


def _lines(
    choice: EncoderChoice, component: Component, by_rate: list[tuple[int, int, list[str]]], device: str | None
) -> Iterator[str]:
    """Yield a line for each rate below that of an encoder; by_rate has (Hz, clips, machines), the lowest first."""
    if not by_rate or hasattr(component.factory, "prepare_recording"):
        return
    may_choose = is_free(choice, component)
    hears = rate_of(choice, component, by_rate[0][0], device, is_free=may_choose)
    below = [row for row in by_rate if hears and row[0] < hears and (may_choose or row[0] < ORDINARY)]
    ends = highest(choice, component, hears or 0, device) if below else 0.0
    for rate, count, machines in below:
        if rate / 2 < ends:
            others = len(by_rate) > 1
            which = f"{count} recording{'s' * (count > 1)} at {rate} Hz" + f" ({', '.join(machines)})" * others
            what = written(choice, component, rate, hears or 0, device) if may_choose else ""
            yield (
                f"{which} heard by encoder {choice.name!r} at {hears} Hz: its bands above {rate / 2:g} Hz hold no "
                "sound, only the rounding of resampling, which counts in scores as sound does. "
                + (TELLS_APART if others and callable(getattr(component.factory, "fit", None)) else "")
                + (what or TRAINED)
                + (f" in a portfolio {'for these machines alone' if others else 'of your own'}." if what else "")
            )


def is_free(choice: EncoderChoice, component: Component) -> bool:
    """Whether the rate of an encoder may be chosen: it has the parameter, and no network of one rate."""
    has_network = choice.parameters.get(CHECKPOINT) is not None and not getattr(component.factory, "any_rate", False)
    return RATE in _parameters(component) and not has_network


def rate_of(
    choice: EncoderChoice, component: Component, lowest: int, device: str | None, *, is_free: bool
) -> int | None:
    """Return the rate that an encoder hears at; None if it is unknown, and no recording is below the ordinary.

    An encoder that does not say its rate before it is built is built for this.
    """
    default = _parameters(component).get(RATE)
    rate = choice.parameters.get(RATE, default.default if default else getattr(component.factory, RATE, None))
    if not isinstance(rate, int) and (is_free or lowest < ORDINARY):
        rate = getattr(_built(choice, component, device), RATE, None)
    return rate if isinstance(rate, int) else None


def highest(choice: EncoderChoice, component: Component, hears: int, device: str | None) -> float:
    """Return the highest frequency in Hz that an encoder looks at: half of its rate, unless it says another."""
    if not hasattr(component.factory, "highest"):
        return hears / 2
    return float(_built(choice, component, device).highest)


def _built(choice: EncoderChoice, component: Component, device: str | None) -> Any:
    with located(f"encoder {choice.name!r}"), blamed("encoder", choice.name):
        return build_encoder(choice.name, json.dumps(pinned(choice.parameters, component), sort_keys=True), device)


def _parameters(component: Component) -> Mapping[str, Any]:
    try:
        return signature(component.factory).parameters
    except (TypeError, ValueError):  # a factory that shows no parameters
        return {}


def written(choice: EncoderChoice, component: Component, rate: int, hears: int, device: str | None) -> str:
    """Return what to write so that an encoder hears recordings as they are.

    Frames last as long as they did. Those of a few dozen samples may hold too few frequencies for its bands.
    """
    even = rate - rate % 2
    defaults = {name: parameter.default for name, parameter in _parameters(component).items()}
    frames = {name: choice.parameters.get(name, defaults[name]) for name in FRAMES if name in defaults}
    scaled = {name: 2 * round(n * even / hears / 2) for name, n in frames.items() if isinstance(n, int)}
    is_bounded = hasattr(component.factory, "highest")
    too_many = scaled and not is_bounded and _refuses(choice, component, {RATE: even, **scaled}, device)
    words = ", ".join(f"{name} = {n}" for name, n in {RATE: even, **scaled}.items())
    lasting = " (frames last as long as now)" if scaled else ""
    lower = f" and nothing above {even / 2:g} Hz" if is_bounded else " and fewer bands" if too_many else ""
    return f"Write {words}{lasting}{lower} in the table of this encoder,"


def _refuses(choice: EncoderChoice, component: Component, others: Mapping[str, int], device: str | None) -> bool:
    """Whether an encoder refuses to be built with other values of some parameters."""
    try:
        _built(choice.model_copy(update=dict(others)), component, device)
    except AsdcoreError:
        return True
    return False
