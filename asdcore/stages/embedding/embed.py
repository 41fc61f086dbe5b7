"""Computes features from the clip index: each clip is decoded once, each view made once, each encoder run once.

A chunk of clips is the unit of work. It writes one shard for every (view, encoder, layer, pooling) that is asked for.
On the CPU clips go through a network one at a time, so a clip's features cannot depend on its neighbours, not even in
the last bit; meanwhile threads decode and prepare the next clips. At the end of a chunk one clip is encoded again: a
view or an encoder that remembers other clips gives it other features then, and is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.cores import cores
from asdcore.compute.code_in_use import check_loaded, check_unchanged
from asdcore.compute.encoding import encoding
from asdcore.compute.encoding.known_recordings import IMPORT, unknown_recordings
from asdcore.compute.encoding.long_clips import hear_long
from asdcore.compute.encoding.requests import Features, Output, Request
from asdcore.compute.encoding.stateless import check_forgets
from asdcore.compute.recipes import FEATURE_CODE
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import installed
from asdcore.data.recordings.audio import AudioFacts, decode, decode_new, is_long
from asdcore.data.recordings.file_content import LARGE
from asdcore.errors import DataError, located
from asdcore.stages.embedding.embed_ahead import AHEAD, done_ahead
from asdcore.stages.embedding.embed_jobs import CHUNK, EmbedJob, plan, plan_new, requests_of
from asdcore.store.cache import FeatureSet

__all__ = ["CHUNK", "EmbedJob", "embed", "embed_new", "plan", "plan_new", "requests_of", "try_out"]


def embed(job: EmbedJob) -> int:
    """Compute one chunk and write its shards, unless they are there; returns the number of clips."""
    if job.is_done:
        return len(job.clips)
    rows: dict[Output, dict[str, NDArray[np.float32]]] = {}

    def hear(path: Path, sha256: str) -> _Heard:
        return _Heard.again(path, sha256, job.requests, job.device)

    for heard, features in _embedded(job, hear):
        for output, values in features.items():
            rows.setdefault(output, {})[heard.sha256] = values
    _write(job, rows)
    return len(job.clips)


def embed_new(job: EmbedJob) -> list[tuple[Path, AudioFacts | str]]:
    """Read each clip once, decode and embed it; returns each clip's facts, or its fault."""
    folders = {output.folder for request in job.requests for output in request.outputs}
    held = frozenset(set.intersection(*(FeatureSet(folder).held() for folder in folders)))
    outcomes: list[tuple[Path, AudioFacts | str]] = []
    rows: dict[Output, dict[str, NDArray[np.float32]]] = {}

    def hear(path: Path, _: str) -> _Heard:
        return _Heard.first(path, job.requests, job.device, held)

    for heard, features in _embedded(job, hear):
        outcomes.append((heard.path, heard.trouble or heard.facts or "it was not read"))
        for output, values in features.items():
            rows.setdefault(output, {})[heard.sha256] = values
    _write(job, rows)
    return outcomes


def try_out(jobs: Sequence[EmbedJob], clips: pl.DataFrame, root: Path) -> None:
    """Build every encoder, and make every view of one clip of each machine, so that errors show before the work."""
    untrained = [job for job in jobs if not any(request.trained for request in job.requests)]
    for job in untrained[:1]:  # training has checked the others
        encoding.check(job.requests, job.device)
    _check_known(untrained)
    views = {(request.view, request.view_parameters) for job in jobs for request in job.requests}
    waiting = {sha256 for job in jobs for _, sha256 in job.clips}
    clips = clips.filter(pl.col("sha256").is_in(list(waiting)))
    # A long recording would fill the memory, and another clip shows a view's errors as well.
    clips = clips.sort(pl.col("n_samples") * pl.col("channels") >= LARGE // 2, maintain_order=True)
    for clip in clips.unique("machine", keep="first", maintain_order=True)["clip"]:
        if is_long(root / clip):
            continue
        audio, rate = decode(root / clip)
        for view, parameters in sorted(views):
            with located(f"{clip}, view {view!r}"):
                encoding.waveform(view, parameters, audio, rate)


def _check_known(jobs: Sequence[EmbedJob]) -> None:
    """Raise DataError, saying how many clips they lack, if encoders that know recordings by digests lack some."""
    for job in jobs[:1]:
        clips = {sha256: path for job in jobs for path, sha256 in job.clips}
        if unknown := unknown_recordings(job.requests, job.device, clips, "clips to embed"):
            raise DataError(
                f"{unknown}. Import a table that has every clip, under a name or version of its own, and name that in "
                f"the portfolio: '{IMPORT} --name NAME --version VERSION'."
            )


@dataclass
class _Heard:
    """A clip under way: the inputs of its networks, or None if its features are stored already or it has a fault.

    is_long : whether it is encoded as it is read; then nothing has been read yet. held : digests that need no features.
    """

    path: Path
    sha256: str
    prepared: list[Any] | None = None
    facts: AudioFacts | None = None
    trouble: str = ""
    sound: tuple[NDArray[np.float32], int] | None = None
    is_long: bool = False
    held: frozenset[str] = frozenset()

    @classmethod
    def again(cls, path: Path, sha256: str, requests: tuple[Request, ...], device: str | None) -> _Heard:
        """Decode and prepare a clip of the index; raises DataError if that fails."""
        if is_long(path):
            return cls(path, sha256, is_long=True)
        audio, rate = decode(path, sha256)
        with located(str(path)):
            prepared = encoding.prepare(audio, rate, requests, device, sha256)
            return cls(path, sha256, prepared, sound=(audio, rate))

    @classmethod
    def first(cls, path: Path, requests: tuple[Request, ...], device: str | None, held: frozenset[str]) -> _Heard:
        """Decode and prepare a clip that has not been read yet; a fault goes into ``trouble``."""
        if is_long(path):
            return cls(path, "", is_long=True, held=held)
        try:
            audio, facts = decode_new(path)
            heard = cls(path, facts.sha256, facts=facts)
            if facts.sha256 not in held:
                with located(path.name):
                    heard.prepared = encoding.prepare(audio, facts.sample_rate, requests, device, facts.sha256)
                    heard.sound = audio, facts.sample_rate
        except DataError as error:
            return cls(path, "", trouble=str(error))
        return heard

    def in_blocks(self, requests: tuple[Request, ...], device: str | None) -> Features:
        """Decode and encode a long recording; a fault of one that has not been read yet goes into ``trouble``."""
        try:
            with located(self.path.name):
                self.facts, features = hear_long(self.path, requests, device, self.sha256 or None, self.held)
        except DataError as error:
            if not self.sha256:
                self.trouble = str(error)
                return {}
            what = str(error).removeprefix(self.path.name)
            raise DataError(f"{self.path}{what}. Restore or replace the file, then run again.") from error
        self.sha256 = self.facts.sha256
        return features


def _embedded(job: EmbedJob, hear: Callable[[Path, str], _Heard]) -> Iterator[tuple[_Heard, Features]]:
    """Yield every clip of a chunk with its features; none for a clip that needs none."""
    check_loaded(job.code, job.uses, FEATURE_CODE, installed())
    encoding.check(job.requests, job.device)
    at_once = CHUNK if _elsewhere(job.device) else 1
    again: tuple[_Heard, Features] | None = None
    n, sounds = 0, itertools.count()

    def heard_by_thread(clip: tuple[Path, str]) -> _Heard:
        heard = hear(*clip)
        # One sound of the chunk is kept, to be encoded again.
        heard.sound = heard.sound if heard.sound and not next(sounds) else None
        return heard

    with single_threaded(), ThreadPoolExecutor(_decoders(job.device)) as threads:
        clips = done_ahead(threads, heard_by_thread, job.clips, max(AHEAD, at_once))
        while batch := list(islice(clips, at_once)):
            for heard, features in zip(batch, _encoded(batch, job), strict=True):
                features = heard.in_blocks(job.requests, job.device) if heard.is_long else features
                again = (heard, features) if heard.sound and features else again
                n += bool(features)
                yield heard, features
        if again and n > 1:
            _hear_again(*again, job)


def _hear_again(heard: _Heard, features: Features, job: EmbedJob) -> None:
    """Raise PluginError if a view or an encoder remembers other clips."""
    if heard.sound:
        check_forgets((str(heard.path), heard.sha256), *heard.sound, features, job.requests, job.device)


def _decoders(device: str | None) -> int:
    """Return how many threads decode and prepare ahead of the network: on the CPU they leave it a core of its own."""
    usable = cores()
    return usable if _elsewhere(device) else min(2, max(1, usable - 1))


def _elsewhere(device: str | None) -> bool:
    """Whether networks run on another device than the CPU, several clips at once."""
    return device not in (None, "cpu")


def _encoded(batch: list[_Heard], job: EmbedJob) -> list[Features]:
    """Return the features of a batch; if a clip fails, each clip goes alone, to learn which one it is."""
    ready = [heard for heard in batch if heard.prepared is not None]
    try:
        with located(str(batch[0].path) if len(batch) == 1 else f"{batch[0].path} to {batch[-1].path.name}"):
            encoded = iter(encoding.encode([heard.prepared or [] for heard in ready], job.requests, job.device))
            return [next(encoded) if heard.prepared is not None else {} for heard in batch]
    except DataError as error:
        if len(batch) > 1:
            return [_encoded([heard], job)[0] for heard in batch]
        if batch[0].facts is None:
            raise
        batch[0].trouble = f"{batch[0].path.name}{str(error).removeprefix(str(batch[0].path))}"
        return [{}]


def _write(job: EmbedJob, rows: Mapping[Output, Mapping[str, NDArray[np.float32]]]) -> None:
    check_unchanged(job.uses, installed())
    for output, features in rows.items():
        FeatureSet(output.folder).write(list(features), list(features.values()))
