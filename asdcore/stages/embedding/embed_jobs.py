"""Lists what there is to embed: chunks of clips, and what is asked of each view and encoder for them.

A chunk of clips is the unit of work. It writes one shard for every (view, encoder, layer, pooling) that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.components.checkpoints import pinned
from asdcore.compute.code_in_use import Code, Use, code_of
from asdcore.compute.encoding.requests import Output, Request
from asdcore.compute.recipes import FEATURE_CODE, feature_recipe, pooling_recipe
from asdcore.contract.plugins import Plugins
from asdcore.held_out import NONE, Networks
from asdcore.portfolio import Branch, Part, TrainedState
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.tables import FULL

CHUNK = 64
"""Clips in a chunk: a killed run loses at most as many, and at most as many are held decoded."""


Sets = dict[str, tuple[Part, FeatureSet]]
"""{digest: a part of branches, and its place in the store}."""


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
        return all(shard.is_file() for shard in self.shards)

    @property
    def shards(self) -> list[Path]:
        """The files that it writes."""
        audio = [sha256 for _, sha256 in self.clips]
        folders = {output.folder for request in self.requests for output in request.outputs}
        return [FeatureSet(folder).shard(audio) for folder in sorted(folders)]


def plan(
    clips: pl.DataFrame,
    root: Path,
    branches: Mapping[str, Branch],
    store: Store,
    plugins: Plugins,
    device: str | None,
    networks: Networks = NONE,
) -> list[EmbedJob]:
    """Return the chunks of work that the store does not hold yet; none if everything is cached.

    A trained network hears the clips of its machine, and one of a crossfit's folds the train clips alone. Each trained
    network has chunks of its own, so that no process holds all of them.
    """
    grouped: dict[tuple[TrainedState | None, str, int], Sets] = {}
    for name, branch in branches.items():
        for network in networks.of_branch(name, branch):
            for digest, (part, features) in _sets([network.branch], store, plugins, device).items():
                alike = grouped.setdefault((part.trained, network.machine, network.fold), {})
                alike[digest] = part, features
    jobs = []
    for (_, machine, fold), sets in grouped.items():
        heard = clips.filter(pl.col("machine") == machine) if machine else clips
        heard = heard if fold == FULL else heard.filter(pl.col("split") == "train")
        jobs += _chunks(heard, root, sets, device, plugins)
    return jobs


def _chunks(clips: pl.DataFrame, root: Path, sets: Sets, device: str | None, plugins: Plugins) -> list[EmbedJob]:
    """Return the chunks of clips that some of the feature sets lack."""
    paths = dict(zip(clips["sha256"].to_list(), clips["clip"].to_list(), strict=True))
    missing = {digest: set(feature_set.missing(list(paths))) for digest, (_, feature_set) in sets.items()}
    lacking = set().union(*missing.values())
    wanted = [sha256 for sha256 in paths if sha256 in lacking] if lacking else []
    jobs = []
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        incomplete = [sets[digest] for digest, of_set in missing.items() if not of_set.isdisjoint(chunk)]
        located_clips = tuple((root / paths[sha256], sha256) for sha256 in chunk)
        jobs.append(_job(located_clips, _requests(incomplete, plugins), device, plugins))
    return jobs


def requests_of(
    branches: Iterable[Branch],
    store: Store,
    plugins: Plugins,
    device: str | None,
    libraries: Mapping[str, str] | None = None,
) -> tuple[Request, ...]:
    """Return what is asked of each view and encoder for the features of some branches.

    libraries : as of :func:`~asdcore.compute.recipes.feature_recipe`.
    """
    return _requests(_sets(branches, store, plugins, device, libraries).values(), plugins)


def plan_new(
    paths: Mapping[Path, str],
    branches: Mapping[str, Branch],
    store: Store,
    plugins: Plugins,
    device: str | None,
    networks: Networks = NONE,
) -> list[EmbedJob]:
    """Return chunks of work for clips that have not been read yet: their audio digests are empty.

    paths : {the clip's file: its machine}. Clips of one machine stay together if each machine has its own network.
    """
    own = any(row["machine"] for row in networks.rows)
    jobs = []
    for machine in dict.fromkeys(paths.values()) if own else [""]:
        variants = [networks.branch(name, branch, machine) for name, branch in branches.items()]
        requests = requests_of(variants, store, plugins, device)
        of_machine = [path for path, of in paths.items() if not own or of == machine]
        chunks = (of_machine[start : start + CHUNK] for start in range(0, len(of_machine), CHUNK))
        jobs += [_job(tuple((path, "") for path in chunk), requests, device, plugins) for chunk in chunks]
    return jobs


def _job(
    clips: tuple[tuple[Path, str], ...], requests: tuple[Request, ...], device: str | None, plugins: Plugins
) -> EmbedJob:
    job = EmbedJob(clips, requests, device)
    return replace(job, code=code_of(job.uses, FEATURE_CODE, plugins))


def _sets(
    branches: Iterable[Branch],
    store: Store,
    plugins: Plugins,
    device: str | None,
    libraries: Mapping[str, str] | None = None,
) -> Sets:
    """Return every feature set that the branches need."""
    parts = [part for branch in branches for part in branch.parts]
    held = [(part, store.features(feature_recipe(part, plugins, device, libraries))) for part in parts]
    return {feature_set.digest: (part, feature_set) for part, feature_set in held}


def _requests(sets: Iterable[tuple[Part, FeatureSet]], plugins: Plugins) -> tuple[Request, ...]:
    """Group feature sets by view and encoder, so that one forward pass serves every layer and pooling."""
    grouped: dict[tuple[str, str, str, str, TrainedState | None], list[Output]] = {}
    for (view, encoder, layer, trained), feature_set in sets:
        components = (plugins.component("view", view.name), plugins.component("encoder", encoder.name))
        of_view = _text(pinned(view.parameters, components[0]))
        of_encoder = _text(pinned(encoder.parameters, components[1]))
        key = (view.name, of_view, encoder.name, of_encoder, trained)
        pooling = pooling_recipe(encoder, components[1])
        output = Output(layer, pooling["name"], _text(pooling["parameters"]), feature_set.folder)
        grouped.setdefault(key, []).append(output)
    return tuple(Request(*key[:4], tuple(outputs), key[4]) for key, outputs in grouped.items())


def _text(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
