"""Lists the clips of a data set before a run, and reads of them only what no run has read before."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import cached_property
from pathlib import Path

import polars as pl

from asdcore.components.readers import ListsClips
from asdcore.data.clips import completed, decoded_before
from asdcore.data.noticed import Noticed, noticing
from asdcore.data.remembered_facts import Memory, remembering
from asdcore.store.cache import Store


def clips(
    reader: ListsClips, root: Path, heard_before: Callable[[], set[str]], store: Store, rehash: bool
) -> tuple[pl.DataFrame, Noticed]:
    """Return the clip index of the recordings, and what else was noticed of them.

    heard_before : returns the audio digests that the store holds features of. rehash : read every recording, even if it
    seems to be what it was.
    """
    memory = Memory(store.recordings, trusted=not rehash)
    with decoded_before(_WhenAsked(heard_before)), remembering(memory), noticing() as noticed:
        return completed(reader.clips(root)), noticed


class _WhenAsked(Container[str]):
    """A set that is made when it is first asked for: only a file that may have to be decoded asks."""

    def __init__(self, make: Callable[[], set[str]]) -> None:
        self._make = make

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._made

    @cached_property
    def _made(self) -> set[str]:
        return self._make()
