"""Computes features from the clip index: each clip is decoded once, each view made once, each encoder run once.

A chunk of clips is the unit of work. It writes one shard for every (view, encoder, layer, pooling) that is asked for.
On the CPU clips go through a network one at a time, so a clip's features cannot depend on its neighbours, not even in
the last bit; meanwhile threads decode and prepare the next clips. At the end of a chunk one clip is encoded again: a
view or an encoder that remembers other clips gives it other features then, and is refused.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components.checkpoints import pinned
from asdcore.compute import encoding
from asdcore.compute.code_in_use import Code, Use, check_loaded, check_unchanged, code_of
from asdcore.compute.encoding import Features, Output, Request
from asdcore.compute.long_clips import hear_long
from asdcore.compute.recipes import FEATURE_CODE, feature_recipe, pooling_recipe
from asdcore.compute.stateless import check_forgets
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import Plugins, installed
from asdcore.data.audio import AudioFacts, decode, decode_new, is_long
from asdcore.data.file_content import LARGE
from asdcore.errors import DataError, located
from asdcore.portfolio import Branch, Part
from asdcore.stages.embed_ahead import AHEAD, decoders, done_ahead, is_elsewhere
from asdcore.store.cache import FeatureSet, Store

CHUNK = 64
"""Clips in a chunk: a killed run loses at most as many, and at most as many are held decoded."""


@dataclass(frozen=True)
class EmbedJob:
    """One chunk: clips as (path, audio digest), and what to compute of them."""

    clips: tuple[tuple[Path, str], ...]
    requests: tuple[Request, ...]
    device: str | None = None
    code: Code = ()

    @property
    def uses(self) -> set[Use]:
        """Every component that computes it."""
        views = {("view", request.view, request.view_parameters) for request in self.requests}
        return views | {("encoder", request.encoder, request.encoder_parameters) for request in self.requests}

    @property
    def where(self) -> str:
        """Which clips these are, in words."""
        first, last = self.clips[0][0], self.clips[-1][0]
        return f"{first} to {last.parent.name}/{last.name}" if first != last else f"{first}"

    @property
    def is_done(self) -> bool:
        """Whether another process has written every shard: chunks may be handed out twice."""
        audio = [sha256 for _, sha256 in self.clips]
        folders = {output.folder for request in self.requests for output in request.outputs}
        return all(FeatureSet(folder).shard(audio).is_file() for folder in folders)


def plan(
    clips: pl.DataFrame, root: Path, branches: Iterable[Branch], store: Store, plugins: Plugins, device: str | None
) -> list[EmbedJob]:
    """Return the chunks of work that the store does not hold yet; none if everything is cached."""
    sets = _sets(branches, store, plugins, device)
    paths = dict(zip(clips["sha256"], clips["clip"], strict=True))
    missing = {digest: set(feature_set.missing(list(paths))) for digest, (_, feature_set) in sets.items()}
    wanted = [sha256 for sha256 in paths if any(sha256 in of_set for of_set in missing.values())]
    jobs = []
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        incomplete = [sets[digest] for digest, of_set in missing.items() if not of_set.isdisjoint(chunk)]
        located_clips = tuple((root / paths[sha256], sha256) for sha256 in chunk)
        jobs.append(_job(located_clips, _requests(incomplete, plugins), device, plugins))
    return jobs


def requests_of(branches: Iterable[Branch], store: Store, plugins: Plugins, device: str | None) -> tuple[Request, ...]:
    """Return what is asked of each view and encoder for the features of some branches."""
    return _requests(_sets(branches, store, plugins, device).values(), plugins)


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


def plan_new(
    paths: Sequence[Path], branches: Iterable[Branch], store: Store, plugins: Plugins, device: str | None
) -> list[EmbedJob]:
    """Return chunks of work for clips that have not been read yet: their audio digests are empty."""
    requests = requests_of(branches, store, plugins, device)
    chunks = (paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK))
    return [_job(tuple((path, "") for path in chunk), requests, device, plugins) for chunk in chunks]


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
    for job in jobs[:1]:
        encoding.check(job.requests, job.device)
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
            return cls(path, sha256, encoding.prepare(audio, rate, requests, device), sound=(audio, rate))

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
                    heard.prepared = encoding.prepare(audio, facts.sample_rate, requests, device)
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
    at_once = CHUNK if is_elsewhere(job.device) else 1
    again: tuple[_Heard, Features] | None = None
    n, sounds = 0, itertools.count()

    def heard_by_thread(clip: tuple[Path, str]) -> _Heard:
        heard = hear(*clip)
        # One sound of the chunk is kept, to be encoded again.
        heard.sound = heard.sound if heard.sound and not next(sounds) else None
        return heard

    with single_threaded(), ThreadPoolExecutor(decoders(job.device)) as threads:
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
        check_forgets(str(heard.path), *heard.sound, features, job.requests, job.device)


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


def _job(
    clips: tuple[tuple[Path, str], ...], requests: tuple[Request, ...], device: str | None, plugins: Plugins
) -> EmbedJob:
    job = EmbedJob(clips, requests, device)
    return replace(job, code=code_of(job.uses, FEATURE_CODE, plugins))


def _sets(
    branches: Iterable[Branch], store: Store, plugins: Plugins, device: str | None
) -> dict[str, tuple[Part, FeatureSet]]:
    """Return {digest: (its parts, its place in the store)} of every feature set that the branches need."""
    parts = [part for branch in branches for part in branch.parts]
    held = [(part, store.features(feature_recipe(part, plugins, device))) for part in parts]
    return {feature_set.digest: (part, feature_set) for part, feature_set in held}


def _requests(sets: Iterable[tuple[Part, FeatureSet]], plugins: Plugins) -> tuple[Request, ...]:
    """Group feature sets by view and encoder, so that one forward pass serves every layer and pooling."""
    grouped: dict[tuple[str, str, str, str], list[Output]] = {}
    for (view, encoder, layer), feature_set in sets:
        components = (plugins.component("view", view.name), plugins.component("encoder", encoder.name))
        of_view = _text(pinned(view.parameters, components[0]))
        of_encoder = _text(pinned(encoder.parameters, components[1]))
        key = (view.name, of_view, encoder.name, of_encoder)
        pooling = pooling_recipe(encoder, components[1])
        output = Output(layer, pooling["name"], _text(pooling["parameters"]), feature_set.folder)
        grouped.setdefault(key, []).append(output)
    return tuple(Request(*key, tuple(outputs)) for key, outputs in grouped.items())


def _text(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
