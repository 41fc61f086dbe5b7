"""Turns a clip into all features that are asked for: views, resampling, encoders, poolings.

There are two halves. :func:`prepare` makes the inputs of the networks (each view once, resampled, through the encoder's
front end if it offers one) and may run in a thread ahead of :func:`encode`, which runs each network once and pools. So
the networks never wait for sound.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from asdcore.components.build import build
from asdcore.compute.component_checks.checked_outputs import real_numbers
from asdcore.compute.encoding.built_encoders import built_encoder, knows_recordings, of_recording
from asdcore.compute.encoding.held_whole import check_length
from asdcore.compute.encoding.requests import Array, Features, Output, Request
from asdcore.contract.interfaces import CHANNELS, Encoder
from asdcore.contract.long_sound import Sound
from asdcore.contract.plugins import Component, installed
from asdcore.contract.tokens import Tokens, is_exact
from asdcore.data.features.pooling import pool
from asdcore.data.recordings.audio import resample
from asdcore.errors import DataError, PluginError, PortfolioError, blamed, located

AnyFloats = NDArray[np.floating[Any]]


def check(requests: Sequence[Request], device: str | None) -> None:
    """Build every view and encoder, check that they fit, and look up the layers, so that errors show before the work.

    Raises PortfolioError for a layer that an encoder does not have, and for a view with another number of channels.
    """
    for request in requests:
        with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
            encoder = built_encoder(request, device)
        check_request(request, encoder)


def check_request(request: Request, encoder: Any) -> None:
    """Raise PortfolioError unless an encoder, trained or not, has the layers asked for, and fits its view."""
    with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
        layers_of(encoder, request.outputs)
    _check_channels(request, channels_of("encoder", request.encoder, encoder))


def prepare(
    audio: Array, rate: int, requests: Sequence[Request], device: str | None, sha256: str | None = None
) -> list[Any]:
    """(n_channels, n_samples) at ``rate`` Hz -> for each request the input of its encoder's network.

    sha256 : digest of the recording's file, for encoders that know recordings by it; None of sound without a file.
    """
    waveforms: dict[tuple[str, str], Array] = {}
    prepared = []
    for request in requests:
        if knows_recordings(request, device):
            prepared.append(of_recording(request, device, sha256))
            continue
        view = (request.view, request.view_parameters)
        if view not in waveforms:
            with located(f"view {request.view!r}"):
                waveforms[view] = waveform(*view, audio, rate)
        with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
            encoder = built_encoder(request, device)
            check_length(request, encoder, audio.shape[1] / rate)
            clip = resampled(waveforms[view], rate, encoder.sample_rate)[None]
            if np.may_share_memory(clip, waveforms[view]):
                clip = clip.copy()  # what an encoder does in place must not reach those of other branches
            prepared.append(encoder.prepare(clip) if _has_halves(encoder) else clip)
    return prepared


def encode(clips: Sequence[Sequence[Any]], requests: Sequence[Request], device: str | None) -> list[Features]:
    """Encode clips as :func:`prepare` returned them; returns for each clip the features of every output."""
    encoded: list[Features] = [{} for _ in clips]
    for i, request in enumerate(requests):
        with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
            encoder = built_encoder(request, device)
            layers, exact = layers_of(encoder, request.outputs), is_exact(encoder)
            wanted = list(dict.fromkeys(layers.values()))
            inputs = [clip[i] for clip in clips]
            tokens = (
                encoder.encode_prepared(inputs, wanted) if _reads_prepared(encoder) else _alone(encoder, inputs, wanted)
            )
            for features, of_clip in zip(encoded, tokens, strict=True):
                for output in request.outputs:
                    patches, special = tokens_of_clip(of_clip, layers[output], exact=exact)
                    parameters = json.loads(output.pooling_parameters)
                    features[output] = pool(output.pooling, patches, special, exact=exact, **parameters)
    return encoded


def waveform(view: str, parameters: str, audio: Array, rate: int, *, new: bool = False) -> Array:
    """(n_channels, n_samples) -> the view's (n_samples,), or (2, n_samples) for two channels, checked.

    new : use a newly built view, not the one that all clips so far went through. A view gets sound of its own: what it
    does in place must not reach the views of other branches.
    """
    channels = view_channels(view, parameters)
    with blamed("view", view):
        maker = build("view", view, json.loads(parameters), installed()) if new else _view(view, parameters)
        return _checked(maker(audio.copy(), rate), channels)


def waveform_in_blocks(
    view: str, parameters: str, sound: Sound, rate: int, temporary: Callable[[], IO[bytes]]
) -> Iterator[Array]:
    """Yield what :func:`waveform` returns of a long recording, block by block, of a view with ``hear_blocks``."""
    channels = view_channels(view, parameters)
    with blamed("view", view):
        for made in _view(view, parameters).hear_blocks(sound, rate, temporary):
            yield _checked(made, channels)


def _checked(given: Any, channels: int) -> Array:
    """Return what a view gave as float32; raises PluginError if it has another shape, DataError if it is not finite."""
    made = real_numbers(given, "the view gave samples").astype(np.float32, copy=False)
    axes, allowed = ((), "(n_samples,)") if channels == 1 else ((channels,), f"({channels}, n_samples)")
    if made.ndim != 1 + len(axes) or made.shape[:-1] != axes or not made.size:
        raise PluginError(f"the view gave an array {made.shape}; {allowed} is the contract.")
    if not np.isfinite(made).all():
        raise DataError("the view's samples are not all finite")
    return made


def view_channels(view: str, parameters: str) -> int:
    """Return how many channels the view of this name and parameters (JSON text) gives."""
    with blamed("view", view):
        return channels_of("view", view, _view(view, parameters))


def is_samplewise(view: str, parameters: str) -> bool:
    """Whether a view makes each sample from the samples of the same time alone, and so may be given blocks."""
    with blamed("view", view):
        return bool(getattr(_view(view, parameters), "samplewise", False))


def view_reads_blocks(view: str, parameters: str) -> bool:
    """Whether a view hears a long recording block by block."""
    with blamed("view", view):
        hears = getattr(_view(view, parameters), "hear_blocks", None) is not None
    return hears or is_samplewise(view, parameters)


def channels_of(kind: str, name: str, component: Any) -> int:
    """Return how many channels a view gives or an encoder reads, 1 unless it declares otherwise."""
    channels: int = getattr(component, "channels", 1)
    if channels not in CHANNELS:
        raise PluginError(
            f"{kind} {name!r} says channels = {channels!r}; {' or '.join(map(str, CHANNELS))} is allowed."
        )
    return channels


def tokens_of_clip(
    tokens: Mapping[int | str, Tokens], layer: int | str, *, exact: bool = False
) -> tuple[AnyFloats, AnyFloats | None]:
    """Return the patches (time, band, dim) and special tokens (n_special, dim) or None of the one clip encoded.

    They are float32, or float64 of an exact encoder.
    """
    if layer not in tokens:
        raise PluginError(f"layer {layer!r} was asked for, but the encoder gave {sorted(map(str, tokens))}.")
    of_layer = tokens[layer]
    special = None if of_layer.special is None else _first(of_layer.special, "special tokens", "n_special, dim", exact)
    return _first(of_layer.patches, "patches", "time, band, dim", exact), special


def _has_halves(encoder: Encoder) -> bool:
    return hasattr(encoder, "prepare") and hasattr(encoder, "encode_prepared")


def _reads_prepared(encoder: Encoder) -> bool:
    return hasattr(encoder, "encode_prepared") and (_has_halves(encoder) or hasattr(encoder, "prepare_recording"))


def _alone(encoder: Encoder, clips: Sequence[Array], layers: list[int | str]) -> list[Mapping[int | str, Tokens]]:
    """Encode clips one at a time, so that a clip's features cannot depend on its neighbours."""
    return [encoder.encode(clip, layers) for clip in clips]


def layers_of(encoder: Encoder, outputs: Sequence[Output]) -> dict[Output, int | str]:
    """Resolve the layer of every output; raises PortfolioError for one that the encoder does not have."""
    offered = list(encoder.layers)
    if not offered or not isinstance(encoder.sample_rate, int) or encoder.sample_rate < 1:
        raise PluginError(f"an encoder needs a sample rate in Hz and layers, got {encoder.sample_rate!r}, {offered}.")
    layers = {output: offered[-1] if output.layer is None else output.layer for output in outputs}
    for layer in layers.values():
        if layer not in offered:
            raise PortfolioError(f"it has no layer {layer!r}. Its layers are {', '.join(map(repr, offered))}.")
    return layers


def _check_channels(request: Request, wanted: int) -> None:
    """Raise PortfolioError unless the view gives as many channels as the encoder reads."""
    given = view_channels(request.view, request.view_parameters)
    if given != wanted:
        views = installed().components("view").items()
        fitting = sorted(name for name, view in views if getattr(view.factory, "channels", 1) == wanted)
        raise PortfolioError(
            f"view {request.view!r} gives {_counted(given)}, and encoder {request.encoder!r} reads {_counted(wanted)}. "
            f"Views of {_counted(wanted)}: {', '.join(fitting)}. Give the branch one of them, or another encoder."
        )


def _counted(channels: int) -> str:
    return f"{channels} channel{'s' * (channels > 1)}"


def resampled(waveform: Array, rate: int, target: int) -> Array:
    """(n_samples,) or (2, n_samples) -> the same at another rate, every channel by itself."""
    if waveform.ndim == 1:
        return resample(waveform, rate, target)
    return np.stack([resample(channel, rate, target) for channel in waveform])


def _first(values: Any, what: str, axes: str, exact: bool) -> AnyFloats:
    """Return the array of the single clip encoded, whatever array library it comes from."""
    array = real_numbers(values.detach().cpu() if hasattr(values, "detach") else values, f"the encoder gave {what}")
    if exact and array.dtype != np.float64:
        raise PluginError(f"the encoder says exact = True and gave {what} of {array.dtype}; float64 is the contract.")
    array = array.astype(np.float64 if exact else np.float32, copy=False)
    if array.ndim != 1 + len(axes.split(",")) or len(array) != 1:
        raise PluginError(f"the encoder gave {what} {array.shape} for one clip; (1, {axes}) is the contract.")
    first: AnyFloats = array[0]
    return first


def _view(name: str, parameters: str) -> Any:
    return _built_view(name, parameters, installed().components("view").get(name))


@functools.lru_cache(maxsize=64)
def _built_view(name: str, parameters: str, _: Component | None) -> Any:
    """Build a view once a process, and again if its plugin was loaded anew."""
    return build("view", name, json.loads(parameters), installed())
