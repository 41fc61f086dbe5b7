"""Encodes a long recording without ever holding it: decoded, viewed, resampled, encoded and pooled in blocks.

It takes a view that works sample by sample (``samplewise``) or reads in blocks (``hear_blocks``), and an encoder that
reads in blocks (``encode_blocks``): see :mod:`asdcore.contract.long_sound`. What is resampled, and tokens, lie in
temporary files in the store meanwhile. Features are the same bits as of a recording in memory. Any other view or
encoder gets the whole recording, if it is not too long for that (:mod:`asdcore.compute.encoding.held_whole`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.encoding import encoding
from asdcore.compute.encoding.built_encoders import built_encoder, knows_recordings
from asdcore.compute.encoding.held_whole import Length, too_large, too_long
from asdcore.compute.encoding.requests import Array, Features, Output, Request
from asdcore.compute.encoding.spooled_sound import SpooledSound, temporary_file, temporary_folder
from asdcore.contract.long_sound import Sound
from asdcore.contract.tokens import is_exact
from asdcore.data.features.pooling import POOLINGS, pool
from asdcore.data.features.pooling_blocks import SpooledTokens, pool_spooled
from asdcore.data.recordings.audio import BLOCK, AudioFacts, decode_new, decoded_in_blocks
from asdcore.data.recordings.noticed_sound import NoticedSound
from asdcore.data.recordings.still_channels import StillChannels
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.store.arrays_on_disk import InPortions
from asdcore.store.disk.atomic import ELSEWHERE

AnyFloats = NDArray[np.floating[Any]]

Key = tuple[str, str, int]
"""A view, its parameters and a sample rate."""

IN_TMPDIR = "another one with TMPDIR=FOLDER"
"""Where else temporary files may lie that are not in a store, in words."""


def hear_long(
    path: Path,
    requests: Sequence[Request],
    device: str | None,
    sha256: str | None = None,
    held: frozenset[str] = frozenset(),
    temporary: Path | None = None,
) -> tuple[AudioFacts, Features]:
    """Decode a long recording and return its facts and features; no features if its digest is among ``held``.

    temporary : the folder of temporary files. By default that of the features.

    Raises DataError if it cannot be decoded or encoded, or if ``sha256`` is given and not its digest.
    """
    streamed = [request for request in requests if in_blocks(request, device)]
    whole = [request for request in requests if request not in streamed]
    place = (_of_features(requests), ELSEWHERE) if temporary is None else (temporary, IN_TMPDIR)
    with temporary_folder(*place) as folder, ExitStack() as stack:
        with decoded_in_blocks(path) as (facts, blocks):
            _check_digest(path, facts, sha256)
            noticed = NoticedSound(facts.channels, facts.sample_rate)
            is_held = facts.sha256 in held
            why = "" if is_held else next(filter(None, (refused(request, device, facts) for request in whole)), "")
            if why:
                raise DataError(f"{path.name}: {why}")
            blocks = _noticed(blocks, noticed)
            # What is noticed must not depend on what a store holds.
            keys = () if is_held else {_key(request, device) for request in streamed}
            sounds = _spooled(blocks, facts.sample_rate, keys, folder, stack)
        facts = replace(facts, **noticed.facts)
        if is_held:
            return facts, {}
        features: Features = {}
        for request in streamed:
            features |= _encoded(request, sounds[_key(request, device)], device, folder)
    return facts, features | _encoded_whole(lambda: decode_new(path)[0], facts, whole, device)


def hear_sound(
    sound: Sound, facts: AudioFacts, requests: Sequence[Request], device: str | None, temporary: Path
) -> tuple[AudioFacts, Features]:
    """Return the features of long sound that is in no file, and its facts with which channels are still.

    sound : (n_channels, n_samples), read once from its beginning to its end. facts : what is known of it; without a
    digest, it is nothing to encoders that know recordings. temporary : the folder of temporary files.

    Raises DataError if it cannot be encoded.
    """
    streamed = [request for request in requests if in_blocks(request, device)]
    whole = [request for request in requests if request not in streamed]
    if why := next(filter(None, (refused(request, device, facts) for request in whole)), ""):
        raise DataError(f"the clip {why}")
    channels = StillChannels(facts.channels)
    with temporary_folder(temporary, IN_TMPDIR) as folder, ExitStack() as stack:
        blocks = _heard_by(channels, blocks_of(sound, facts.n_samples))
        sounds = _spooled(blocks, facts.sample_rate, {_key(request, device) for request in streamed}, folder, stack)
        features: Features = {}
        for request in streamed:
            features |= _encoded(request, sounds[_key(request, device)], device, folder)
    features |= _encoded_whole(lambda: sound.read(0, facts.n_samples), facts, whole, device)
    return replace(facts, still=channels.bits), features


@contextmanager
def waveform_in_blocks(path: Path, sha256: str, key: Key, temporary: Path) -> Iterator[InPortions]:
    """Give the waveform of a long recording by a view at a sample rate, (n_samples,) or (2, n_samples) float32.

    Neither is ever in memory as a whole. Its bits are those that it has of all of the recording at once. It lies in a
    file in the folder ``temporary`` and is gone at the end.

    Raises DataError if the recording cannot be decoded, or is not that of ``sha256``.
    """
    with temporary_folder(temporary, ELSEWHERE) as folder, ExitStack() as stack:
        with decoded_in_blocks(path) as (facts, blocks):
            _check_digest(path, facts, sha256)
            spool = _spooled(blocks, facts.sample_rate, [key], folder, stack)[key]
        yield InPortions(spool.shape, spool.portions())


def in_blocks(request: Request, device: str | None) -> bool:
    """Whether a view and an encoder take a long recording block by block."""
    return _reads_blocks(request, built_encoder(request, device))


def refused(request: Request, device: str | None, recording: Length) -> str:
    """Say why a view and an encoder are not given a recording, and what to type; "" if they are."""
    if knows_recordings(request, device):
        return ""
    return refused_by(request, built_encoder(request, device), recording)


def refused_by(request: Request, encoder: object, recording: Length) -> str:
    """Say why a view and an encoder that is built, perhaps not yet trained, are not given a recording; "" if so."""
    if _reads_blocks(request, encoder):
        return ""
    seconds = recording.n_samples / recording.sample_rate
    return too_long(request, encoder, seconds) or too_large(request, encoder, recording)


def _reads_blocks(request: Request, encoder: object) -> bool:
    reads = getattr(encoder, "encode_blocks", None) is not None
    return reads and encoding.view_reads_blocks(request.view, request.view_parameters)


def _check_digest(path: Path, facts: AudioFacts, sha256: str | None) -> None:
    if sha256 not in (None, facts.sha256):
        raise DataError(f"{path.name}: changed since it was indexed. Restore or replace the file, then run again.")


def _spooled(
    blocks: Iterator[NDArray[np.float32]],
    rate: int,
    keys: Iterable[Key],
    folder: str,
    stack: ExitStack,
) -> dict[Key, SpooledSound]:
    """Make every view, at every sample rate that is asked for, of all blocks of a recording."""
    spools = {key: SpooledSound(stack.enter_context(temporary_file(folder)), rate, key[2]) for key in keys}
    at_once = {key: spool for key, spool in spools.items() if encoding.is_samplewise(*key[:2])}
    later = {key[:2] for key in spools.keys() - at_once.keys()}
    with ExitStack() as own:
        recording = SpooledSound(own.enter_context(temporary_file(folder)), rate, rate)
        for block, last in _with_last(blocks, axis=0):
            audio = np.ascontiguousarray(block.T)
            _append(at_once, audio, rate, last=last)
            if later:
                recording.append(audio, last=last)
        for view in sorted(later):
            of_view = [spool for key, spool in spools.items() if key[:2] == view]
            with located(f"view {view[0]!r}"):
                made = encoding.waveform_in_blocks(*view, recording, rate, partial(temporary_file, folder))
                for waveform, last in _with_last(made, axis=-1):
                    for spool in of_view:
                        spool.append(waveform, last=last)
    return spools


def blocks_of(sound: Sound, n_samples: int) -> Iterator[Array]:
    """Yield all of a sound, block by block, (n_samples, n_channels)."""
    for start in range(0, n_samples, BLOCK):
        yield sound.read(start, min(n_samples, start + BLOCK)).T


def _heard_by(channels: StillChannels, blocks: Iterator[Array]) -> Iterator[Array]:
    for block in blocks:
        channels.hear(block)
        yield block


def _noticed(blocks: Iterator[Array], noticed: NoticedSound) -> Iterator[Array]:
    """Yield blocks (n_samples, n_channels), and notice which channels change in them, what sound they are, how loud."""
    for block in blocks:
        noticed.hear(block)
        yield block


def _with_last(blocks: Iterable[Array], axis: int) -> Iterator[tuple[Array, bool]]:
    """Yield blocks that are not empty along an axis of time, and whether it is the last one."""
    waiting: Array | None = None
    for block in blocks:
        if block.shape[axis]:
            if waiting is not None:
                yield waiting, False
            waiting = block
    if waiting is not None:
        yield waiting, True


def _append(spools: Mapping[Key, SpooledSound], audio: Array, rate: int, *, last: bool) -> None:
    made: dict[tuple[str, str], Array] = {}
    for (view, parameters, _), spool in spools.items():
        if (view, parameters) not in made:
            with located(f"view {view!r}"):
                made[view, parameters] = encoding.waveform(view, parameters, audio, rate)
        spool.append(made[view, parameters], last=last)


def _encoded(request: Request, sound: SpooledSound, device: str | None, folder: str) -> Features:
    """Encode a recording and pool its tokens for every output."""
    encoder = built_encoder(request, device)
    with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder), ExitStack() as stack:
        layers, exact = encoding.layers_of(encoder, request.outputs), is_exact(encoder)
        tokens = {layer: SpooledTokens(stack.enter_context(temporary_file(folder))) for layer in layers.values()}
        specials: dict[int | str, AnyFloats] = {}
        for block in encoder.encode_blocks(sound, list(tokens)):
            for layer, spool in tokens.items():
                patches, special = encoding.tokens_of_clip(block, layer, exact=exact)
                spool.append(patches)
                if special is not None and specials.setdefault(layer, special) is not special:
                    raise PluginError("encode_blocks gave special tokens twice; once is the contract.")
        return {output: _pooled(output, tokens[layer], specials.get(layer), exact) for output, layer in layers.items()}


def _encoded_whole(
    decode: Callable[[], Array], facts: AudioFacts, requests: Sequence[Request], device: str | None
) -> Features:
    """Encode a recording by what cannot hear it in blocks."""
    if not requests:
        return {}
    # What no encoder hears need not be held.
    hears = any(not knows_recordings(request, device) for request in requests)
    audio = decode() if hears else np.zeros((1, 1), np.float32)
    prepared = encoding.prepare(audio, facts.sample_rate, requests, device, facts.sha256 or None)
    return encoding.encode([prepared], requests, device)[0]


def _pooled(output: Output, tokens: SpooledTokens, special: AnyFloats | None, exact: bool) -> Array:
    parameters = json.loads(output.pooling_parameters)
    if output.pooling in POOLINGS and POOLINGS[output.pooling].special:
        return pool(output.pooling, np.empty((0, 0, 0), np.float32), special, exact=exact, **parameters)
    return pool_spooled(output.pooling, tokens, exact=exact, **parameters)


def _key(request: Request, device: str | None) -> Key:
    return request.view, request.view_parameters, int(built_encoder(request, device).sample_rate)


def _of_features(requests: Sequence[Request]) -> Path:
    """Return a folder on the disk of the store."""
    return next(output.folder for request in requests for output in request.outputs)
