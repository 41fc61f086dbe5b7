"""Encodes a long recording without ever holding it: decoded, viewed, resampled, encoded and pooled in blocks.

It takes a view that works sample by sample (``samplewise``) and an encoder that reads in blocks (``encode_blocks``):
see :mod:`asdcore.contract.long_sound`. What is resampled, and tokens, lie in temporary files in the store meanwhile.
Features are the same bits as of a recording in memory. Any other view or encoder gets the whole recording.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from asdcore.compute import encoding
from asdcore.compute.built_encoders import built_encoder, knows_recordings
from asdcore.compute.requests import Array, Features, Output, Request
from asdcore.contract.tokens import is_exact
from asdcore.data.audio import AudioFacts, Resampler, decode_new, decoded_in_blocks
from asdcore.data.pooling import POOLINGS
from asdcore.data.pooling_blocks import SpooledTokens, pool_spooled
from asdcore.data.sound_digest import SoundDigest
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.store.atomic import disk_trouble

Key = tuple[str, str, int]
"""A view, its parameters and a sample rate."""


def hear_long(
    path: Path,
    requests: Sequence[Request],
    device: str | None,
    sha256: str | None = None,
    held: frozenset[str] = frozenset(),
) -> tuple[AudioFacts, Features]:
    """Decode a long recording and return its facts and features; no features if its digest is among ``held``.

    Raises DataError if it cannot be decoded or encoded, or if ``sha256`` is given and not its digest.
    """
    streamed = [request for request in requests if in_blocks(request, device)]
    whole = [request for request in requests if request not in streamed]
    with _temporary(requests) as folder, ExitStack() as stack:
        with decoded_in_blocks(path) as (facts, blocks):
            if sha256 not in (None, facts.sha256):
                raise DataError(
                    f"{path.name}: changed since it was indexed. Restore or replace the file, then run again."
                )
            if facts.sha256 in held:
                return facts, {}
            digest = SoundDigest(facts.sample_rate, facts.channels)
            sounds = _spooled(_digested(blocks, digest), facts.sample_rate, streamed, device, folder, stack)
            facts = replace(facts, sound=digest.hexdigest())
        features: Features = {}
        for request in streamed:
            features |= _encoded(request, sounds[_key(request, device)], device, folder)
    if whole:
        # What no encoder hears need not be held.
        hears = any(not knows_recordings(request, device) for request in whole)
        audio = decode_new(path)[0] if hears else np.zeros((1, 1), np.float32)
        prepared = encoding.prepare(audio, facts.sample_rate, whole, device, facts.sha256)
        features |= encoding.encode([prepared], whole, device)[0]
    return facts, features


def in_blocks(request: Request, device: str | None) -> bool:
    """Whether a view and an encoder take a long recording block by block."""
    encoder = built_encoder(request, device)
    # "cls" would pool special tokens, of which blocks have none: the whole recording is refused in its own words.
    pooled = all(not POOLINGS[output.pooling].special for output in request.outputs if output.pooling in POOLINGS)
    reads = getattr(encoder, "encode_blocks", None) is not None and not is_exact(encoder)
    return pooled and reads and encoding.is_samplewise(request.view, request.view_parameters)


class _Spool:
    """A waveform in a file, (n_samples, n_channels) float32, as :class:`asdcore.contract.long_sound.Sound`."""

    def __init__(self, file: IO[bytes], source: int, target: int) -> None:
        self._file, self._source, self._target = file, source, target
        self._resamplers: list[Resampler] = []
        self._n_samples, self._axes = 0, 1

    def __len__(self) -> int:
        return self._n_samples

    def append(self, waveform: Array, *, last: bool) -> None:
        """Resample and append a block: (n_samples,) or (2, n_samples)."""
        channels = np.atleast_2d(waveform)
        self._axes = waveform.ndim
        self._resamplers = self._resamplers or [Resampler(self._source, self._target) for _ in channels]
        block = np.stack([to_rate(channel, last) for to_rate, channel in zip(self._resamplers, channels, strict=True)])
        self._file.write(np.ascontiguousarray(block.T).tobytes())
        self._n_samples += block.shape[1]

    def read(self, start: int, stop: int) -> Array:
        """Return samples; 0 beyond the ends."""
        n_channels = len(self._resamplers)
        samples = np.zeros((stop - start, n_channels), np.float32)
        first, last = max(0, start), min(stop, self._n_samples)
        if first < last:
            self._file.seek(first * n_channels * samples.itemsize)
            content = self._file.read((last - first) * n_channels * samples.itemsize)
            samples[first - start : last - start] = np.frombuffer(content, np.float32).reshape(-1, n_channels)
        return np.ascontiguousarray(samples.T) if self._axes == 2 else samples[:, 0]


def _digested(blocks: Iterator[Array], digest: SoundDigest) -> Iterator[Array]:
    """Yield blocks, and digest them."""
    for block in blocks:
        digest.update(block)
        yield block


def _spooled(
    blocks: Iterator[NDArray[np.float32]],
    rate: int,
    requests: Sequence[Request],
    device: str | None,
    folder: str,
    stack: ExitStack,
) -> dict[Key, _Spool]:
    """Make every view, at every sample rate that is asked for, of all blocks of a recording."""
    spools = {
        key: _Spool(stack.enter_context(_file(folder)), rate, key[2]) for key in (_key(r, device) for r in requests)
    }
    waiting: NDArray[np.float32] | None = None
    for block in blocks:
        if waiting is not None and len(block):
            _append(spools, waiting, rate, last=False)
        waiting = block if len(block) else waiting
    if waiting is not None:
        _append(spools, waiting, rate, last=True)
    return spools


def _append(spools: Mapping[Key, _Spool], block: NDArray[np.float32], rate: int, *, last: bool) -> None:
    audio = np.ascontiguousarray(block.T)
    made: dict[tuple[str, str], Array] = {}
    for (view, parameters, _), spool in spools.items():
        if (view, parameters) not in made:
            with located(f"view {view!r}"):
                made[view, parameters] = encoding.waveform(view, parameters, audio, rate)
        spool.append(made[view, parameters], last=last)


def _encoded(request: Request, sound: _Spool, device: str | None, folder: str) -> Features:
    """Encode a recording and pool its tokens for every output."""
    encoder = built_encoder(request, device)
    with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder), ExitStack() as stack:
        layers = encoding.layers_of(encoder, request.outputs)
        tokens = {layer: SpooledTokens(stack.enter_context(_file(folder))) for layer in layers.values()}
        for block in encoder.encode_blocks(sound, list(tokens)):
            for layer, spool in tokens.items():
                patches, special = encoding.tokens_of_clip(block, layer)
                if special is not None:
                    raise PluginError("encode_blocks gave special tokens; patches alone are the contract.")
                spool.append(patches)
        return {output: _pooled(output, tokens[layer]) for output, layer in layers.items()}


def _pooled(output: Output, tokens: SpooledTokens) -> Array:
    return pool_spooled(output.pooling, tokens, **json.loads(output.pooling_parameters))


def _key(request: Request, device: str | None) -> Key:
    return request.view, request.view_parameters, int(built_encoder(request, device).sample_rate)


def _file(folder: str) -> IO[bytes]:
    """Return a file without a name, which is gone when it is closed or its process dies."""
    return tempfile.TemporaryFile(dir=folder)


@contextmanager
def _temporary(requests: Sequence[Request]) -> Iterator[str]:
    """Yield a folder for temporary files, on the disk of the store."""
    folder = next(output.folder for request in requests for output in request.outputs)
    with disk_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        yield str(folder)
