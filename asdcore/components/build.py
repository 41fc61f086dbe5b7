"""Builds components by name: datasets, views, encoders, scorers, normalizers and guards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asdcore.components.checkpoints import resolved
from asdcore.contract.interfaces import Dataset, Encoder, Guard, Normalizer, Scorer, View
from asdcore.contract.plugins import Plugins, installed


def build(kind: str, name: str, parameters: Mapping[str, Any], plugins: Plugins | None = None) -> Any:
    """Build a component from its parameters, its checkpoint located and checked."""
    return (plugins or installed()).build(kind, name, resolved(parameters))


def load_dataset(name: str, **parameters: Any) -> Dataset:
    """Build a dataset reader by name."""
    dataset: Dataset = build("dataset", name, parameters)
    return dataset


def load_view(name: str, **parameters: Any) -> View:
    """Build a view by name."""
    view: View = build("view", name, parameters)
    return view


def load_encoder(name: str, **parameters: Any) -> Encoder:
    """Build an encoder by name; ``checkpoint`` is a path or the id of a registry entry."""
    encoder: Encoder = build("encoder", name, parameters)
    return encoder


def load_scorer(name: str, **parameters: Any) -> Scorer:
    """Build a scorer by name."""
    scorer: Scorer = build("scorer", name, parameters)
    return scorer


def load_normalizer(name: str, **parameters: Any) -> Normalizer:
    """Build a normalizer by name."""
    normalizer: Normalizer = build("normalizer", name, parameters)
    return normalizer


def load_guard(name: str, **parameters: Any) -> Guard:
    """Build a guard by name."""
    guard: Guard = build("guard", name, parameters)
    return guard
