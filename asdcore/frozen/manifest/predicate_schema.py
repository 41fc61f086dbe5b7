"""The schema of a manifest's predicate: the keys that must be there, and their types."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from asdcore.basics.parse import parse_json
from asdcore.runs.record import Levels
from asdcore.store.disk.atomic import json_text


def _relative(value: str) -> str:
    if PurePosixPath(value).is_absolute() or "\0" in value:
        raise ValueError("a root is written relative to the manifest")
    return value


def _id(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\0" in value:
        raise ValueError("an id is one part of a path")
    return value


Root = Annotated[str, AfterValidator(_relative)]
Id = Annotated[str, AfterValidator(_id)]


class _Part(BaseModel):
    """Types are exact; further keys, which are only on record, are allowed."""

    model_config = ConfigDict(strict=True)


class _Domain(_Part):
    range: Annotated[int, Field(ge=0)] = 0


class _LeftOut(_Part):
    machine: str
    section: str
    branches: dict[str, Any]
    domains: dict[str, _Domain]


class _Run(_Part):
    task: str
    device: str
    features: dict[str, str] = {}
    out_of_fold: list[_LeftOut] = []
    levels: list[Levels] = []


class _Plugin(_Part):
    plugin: Id
    distribution: str
    version: str


class _Resource(_Part):
    id: Id


class _Deterministic(_Part):
    device: str


class _Kernels(_Part):
    openblas: dict[str, str] = {}
    numpy_simd: list[str] = []
    torch_capability: str = ""
    variables: dict[str, str] = {}


class _Environment(_Part):
    packages: dict[str, str]
    deterministic: _Deterministic
    score_packages: list[str] = []
    cpu: str = ""
    cpu_features: list[str] = []
    kernels: _Kernels | None = None


class _Roots(_Part):
    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Root]
    data: Root
    run: Root
    store: Root


class _Predicate(_Part):
    asdcore: str
    name: str
    portfolio: str
    run: _Run
    roots: _Roots
    set_aside: list[str]
    plugins: list[_Plugin]
    resources: list[_Resource]
    environment: _Environment
    splits: list[dict[str, Any]]
    looks: dict[str, int]
    lineage: dict[str, list[str]]
    shards: list[dict[str, str | int]] = []
    sealed: str


def written(predicate: dict[str, Any]) -> dict[str, Any]:
    """Return a predicate as a manifest holds it.

    The portfolio is stored as text: canonical JSON has one kind of number, but a plugin and a recipe tell 2 from 2.0.
    """
    return {**predicate, "portfolio": json_text(predicate["portfolio"])}


def understood(predicate: Any, pinned: Collection[str]) -> dict[str, Any]:
    """Return what :func:`written` was given; ValueError if something is missing, of another kind, or not pinned."""
    try:
        _Predicate.model_validate(predicate)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(("predicate", *map(str, first["loc"])))
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    lineage = predicate["lineage"]
    for node, parents in lineage.items():
        if node.startswith("clips/") and node.count("/") != 2:
            raise ValueError(f"{node} is not clips/MACHINE/SECTION")
        for parent in parents:
            if parent not in lineage and parent not in pinned:
                raise ValueError(f"{node} descends from {parent!r}, which is not pinned")
    portfolio = parse_json(predicate["portfolio"])
    if not isinstance(portfolio, dict):
        raise ValueError("predicate.portfolio is not a table of keys")
    return {**predicate, "portfolio": portfolio}
