"""Notes how much of the audio an encoder does not hear, because clips are longer than it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from inspect import signature

import numpy as np
import polars as pl

from asdcore.components.checkpoints import pinned
from asdcore.compute.encoding.built_encoders import hears
from asdcore.contract.plugins import Component, Plugins
from asdcore.portfolio import Branch, EncoderChoice
from asdcore.stages.notes_on_data import audio_above, audio_empty_bands

CUT = "cut"
"""The value of an encoder's parameter ``beyond`` that leaves out the audio beyond its length."""


def notes(clips: pl.DataFrame, branches: Mapping[str, Branch], plugins: Plugins, device: str | None) -> list[str]:
    """Return a line for every encoder that does not hear all of these clips, with the share that it misses.

    Also what :mod:`asdcore.stages.notes_on_data.audio_above` and
    :mod:`asdcore.stages.notes_on_data.audio_empty_bands` say.
    """
    branches_of: dict[str, list[str]] = {}
    for name, branch in branches.items():
        for part in branch.parts:
            component = plugins.component("encoder", part.encoder.name)
            limit = _seconds(part.encoder, component, device)
            if limit is not None and (line := _line(part.encoder, component, limit, clips)):
                branches_of.setdefault(line, []).append(name)
    cut = [f"{line} Branches: {', '.join(dict.fromkeys(names))}." for line, names in branches_of.items()]
    rates = (part.notes(clips, branches, plugins, device) for part in (audio_above, audio_empty_bands))
    return [*cut, *(line for lines in rates for line in lines)]


def _seconds(choice: EncoderChoice, component: Component, device: str | None) -> float | None:
    """Return how many seconds of a clip an encoder hears, None if it hears all.

    An encoder is built for this only if it was asked to cut, since loading a network takes time.
    """
    if (heard := getattr(component.factory, "hears", None)) is None and _beyond(choice, component) == CUT:
        parameters = json.dumps(pinned(choice.parameters, component), sort_keys=True)
        heard = hears(choice.name, parameters, device)
    return float(heard) if isinstance(heard, int | float) else None


def _beyond(choice: EncoderChoice, component: Component) -> object:
    """Return the value of the parameter ``beyond``, None if an encoder has none."""
    try:
        accepted: Iterable[str] = signature(component.factory).parameters
    except (TypeError, ValueError):  # a factory that shows no parameters
        return None
    if "beyond" not in accepted:
        return None
    return choice.parameters.get("beyond", signature(component.factory).parameters["beyond"].default)


def _line(choice: EncoderChoice, component: Component, limit: float, clips: pl.DataFrame) -> str | None:
    """Return a line on the audio that an encoder with a ``limit`` in seconds does not hear; None if it hears all."""
    seconds = (clips["n_samples"] / clips["sample_rate"]).drop_nulls().to_numpy()
    beyond = np.maximum(seconds - limit, 0.0)
    # No sample is as short as this: a smaller difference is rounding.
    n_cut = int((beyond > 1e-6).sum())
    if not n_cut:
        return None
    share = _percent(float(beyond.sum() / seconds.sum()))
    way = " With beyond = 'windows' it hears all." if _beyond(choice, component) == CUT else ""
    return (
        f"encoder {choice.name!r} hears {limit:.4g} s of a clip: {share} of the audio, the rest of {n_cut} of "
        f"{len(seconds)} clips, is not heard.{way}"
    )


def _percent(share: float) -> str:
    """Write a share so that one above 0 does not look like 0."""
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
