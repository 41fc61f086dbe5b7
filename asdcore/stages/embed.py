"""Clip index -> features. Sound is decoded once, each view is made once, each encoder runs forward once a clip.

A chunk of clips is the unit of work: it writes one shard for every (view, encoder, layer, pooling) asked of it. Clips
are encoded one at a time, so a clip's features cannot depend on its neighbours, not even in the last bit.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.contract.interfaces import Encoder, Tokens
from asdcore.contract.plugins import Plugins, installed
from asdcore.data.audio import decode, resample
from asdcore.data.pooling import pool
from asdcore.errors import DataError, PluginError, PortfolioError, blamed, located
from asdcore.execution import single_threaded
from asdcore.portfolio import Branch
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.recipes import feature_recipe

CHUNK = 64
"""Clips in a chunk: what a killed run loses at most, and what is held decoded at most."""

DECODERS = 2
"""Threads that decode ahead of the encoder."""


@dataclass(frozen=True)
class Output:
    """One feature set to fill: a layer (None: the encoder's last) and a pooling, and the folder of its shards."""

    layer: int | str | None
    pooling: str
    folder: Path


@dataclass(frozen=True)
class Request:
    """All that is asked of one view and one encoder."""

    view: str
    view_parameters: str
    encoder: str
    encoder_parameters: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class EmbedJob:
    """One chunk: clips as (path, audio digest), and what to compute of them."""

    clips: tuple[tuple[Path, str], ...]
    requests: tuple[Request, ...]
    device: str | None = None


def plan(
    clips: pl.DataFrame, root: Path, branches: Iterable[Branch], store: Store, plugins: Plugins, device: str | None
) -> list[EmbedJob]:
    """Return the chunks of work that the store does not hold yet; none where everything is cached."""
    held = [(branch, store.features(feature_recipe(branch, plugins))) for branch in branches]
    sets = {feature_set.digest: (branch, feature_set) for branch, feature_set in held}
    paths = dict(zip(clips["sha256"], clips["clip"], strict=True))
    missing = {digest: set(feature_set.missing(list(paths))) for digest, (_, feature_set) in sets.items()}
    wanted = [sha256 for sha256 in paths if any(sha256 in one for one in missing.values())]
    jobs = []
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        incomplete = [sets[digest] for digest, one in missing.items() if not one.isdisjoint(chunk)]
        located_clips = tuple((root / paths[sha256], sha256) for sha256 in chunk)
        jobs.append(EmbedJob(located_clips, _requests(incomplete), device))
    return jobs


def embed(job: EmbedJob) -> int:
    """Compute one chunk and write its shards; returns the number of clips."""
    _prepare(job)
    done: dict[Output, list[NDArray[np.float32]]] = {}
    with single_threaded(), ThreadPoolExecutor(DECODERS) as threads:
        sounds = threads.map(lambda clip: decode(*clip), job.clips)
        for (path, _), (audio, rate) in zip(job.clips, sounds, strict=True):
            with located(str(path)):
                for output, features in _features(audio, rate, job):
                    done.setdefault(output, []).append(features)
    for output, rows in done.items():
        FeatureSet(output.folder).write([sha256 for _, sha256 in job.clips], rows)
    return len(job.clips)


def try_out(jobs: Sequence[EmbedJob], clips: pl.DataFrame, root: Path) -> None:
    """Build every encoder and make every view of one clip of each machine: what cannot be is known before the work."""
    for job in jobs[:1]:
        _prepare(job)
    views = {(request.view, request.view_parameters) for job in jobs for request in job.requests}
    waiting = {sha256 for job in jobs for _, sha256 in job.clips}
    clips = clips.filter(pl.col("sha256").is_in(list(waiting)))
    for clip in clips.unique("machine", keep="first", maintain_order=True)["clip"]:
        audio, rate = decode(root / clip)
        for view, parameters in sorted(views):
            with located(f"{clip}, view {view!r}"):
                _waveform(view, parameters, audio, rate)


def _prepare(job: EmbedJob) -> None:
    """Build the encoders of a chunk and look up the layers asked of them."""
    for request in job.requests:
        with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
            _layers(_encoder(request.encoder, request.encoder_parameters, job.device), request.outputs)


def _requests(sets: Iterable[tuple[Branch, FeatureSet]]) -> tuple[Request, ...]:
    """Group feature sets by view and encoder, so that one forward pass serves every layer and pooling."""
    grouped: dict[tuple[str, str, str, str], list[Output]] = {}
    for branch, feature_set in sets:
        view, encoder = branch.view, branch.encoder
        key = (view.name, _text(view.parameters), encoder.name, _text(encoder.parameters))
        grouped.setdefault(key, []).append(Output(encoder.layer, encoder.pooling, feature_set.folder))
    return tuple(Request(*key, tuple(outputs)) for key, outputs in grouped.items())


def _features(audio: NDArray[np.float32], rate: int, job: EmbedJob) -> Iterator[tuple[Output, NDArray[np.float32]]]:
    """All that a chunk's requests ask of one clip."""
    waveforms: dict[tuple[str, str], NDArray[np.float32]] = {}
    for request in job.requests:
        view = (request.view, request.view_parameters)
        if view not in waveforms:
            with located(f"view {request.view!r}"):
                waveforms[view] = _waveform(*view, audio, rate)
        with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
            encoder = _encoder(request.encoder, request.encoder_parameters, job.device)
            layers = _layers(encoder, request.outputs)
            clip = resample(waveforms[view], rate, encoder.sample_rate)
            tokens = encoder.encode(clip[None], list(dict.fromkeys(layers.values())))
            for output in request.outputs:
                yield output, pool(output.pooling, _patches(tokens, layers[output]))


def _layers(encoder: Encoder, outputs: Sequence[Output]) -> dict[Output, int | str]:
    """Resolve the layer of every output; raises PortfolioError for one that the encoder does not have."""
    known = list(encoder.layers)
    if not known or not isinstance(encoder.sample_rate, int) or encoder.sample_rate < 1:
        raise PluginError(f"an encoder has a sample rate and layers, this has {encoder.sample_rate!r} and {known}.")
    layers = {output: known[-1] if output.layer is None else output.layer for output in outputs}
    for layer in layers.values():
        if layer not in known:
            raise PortfolioError(f"there is no layer {layer!r}. Its layers are {', '.join(map(repr, known))}.")
    return layers


def _patches(tokens: Mapping[int | str, Tokens], layer: int | str) -> NDArray[np.float32]:
    """Return the patches (time, band, dim) of the one clip encoded, whatever array library they come from."""
    if layer not in tokens:
        raise PluginError(f"layer {layer!r} was asked for, but the encoder gave {sorted(map(str, tokens))}.")
    patches = tokens[layer].patches
    array = np.asarray(patches.detach().cpu() if hasattr(patches, "detach") else patches, dtype=np.float32)
    if array.ndim != 4 or len(array) != 1:
        raise PluginError(f"the encoder gave patches {array.shape} for one clip; (1, time, band, dim) is the contract.")
    one: NDArray[np.float32] = array[0]
    return one


def _waveform(view: str, parameters: str, audio: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    with blamed("view", view):
        waveform = np.asarray(_view(view, parameters)(audio, rate), dtype=np.float32)
    if waveform.ndim != 1 or not len(waveform):
        raise PluginError(f"the view gave an array {waveform.shape}; (n_samples,) is the contract.")
    if not np.isfinite(waveform).all():
        raise DataError("the view's samples are not all finite")
    return waveform


@functools.lru_cache(maxsize=64)
def _view(name: str, parameters: str) -> Any:
    return installed().build("view", name, json.loads(parameters))


@functools.lru_cache(maxsize=8)
def _encoder(name: str, parameters: str, device: str | None) -> Any:
    """Build an encoder once a process; ``device`` reaches the encoders that take one."""
    import inspect

    values = json.loads(parameters)
    factory = installed().component("encoder", name).factory
    if device is not None and "device" in inspect.signature(factory).parameters:
        values["device"] = device
    encoder = installed().build("encoder", name, values)
    if hasattr(encoder, "fit"):
        raise PluginError(f"encoder {name!r} must be trained first, and training encoders is not part of a run yet.")
    return encoder


def _text(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
