"""Lists the clips of a data set before a run, and reads of them only what no run has read before."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cached_property
from pathlib import Path

import polars as pl

from asdcore.compute.recipes import feature_recipe
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import installed
from asdcore.data.clips import completed, decoded_before, noticing_rests
from asdcore.data.remembered_facts import Memory, remembering
from asdcore.portfolio import Branch
from asdcore.store.cache import Store


def clips(
    reader: Dataset, root: Path, branches: Iterable[Branch], store: Store, device: str | None, rehash: bool
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """Return the clip index of the recordings, and the bytes of each after its last whole sample, if there are any.

    rehash : read every recording, even if it seems to be what it was.
    """
    decoded, memory = _Encoded(branches, store, device), Memory(store.recordings, trusted=not rehash)
    with decoded_before(decoded), remembering(memory), noticing_rests() as rests:
        return completed(reader.clips(root)), rests


class _Encoded(Container[str]):
    """The audio digests that the store holds features of: those clips have been decoded before."""

    def __init__(self, branches: Iterable[Branch], store: Store, device: str | None) -> None:
        self._parts, self._store = [part for branch in branches for part in branch.parts], store
        self._device = device

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._held

    @cached_property
    def _held(self) -> set[str]:
        """All of them. Only a file that may have to be decoded asks, and most runs meet none."""
        recipes = (feature_recipe(part, installed(), self._device) for part in self._parts)
        return set().union(*(self._store.features(recipe).held() for recipe in recipes))
