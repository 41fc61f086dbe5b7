"""Lists the clips of a data set before a run, and reads of them only what no run has read before."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.components.readers import ListsClips
from asdcore.data.clip_index.clips import completed
from asdcore.data.clip_index.noticed import Noticed, noticing
from asdcore.data.clip_index.remembered_facts import Memory, remembering
from asdcore.store.cache import Store
from asdcore.store.tables import CLIP_INDEX


def clips(reader: ListsClips, root: Path, store: Store, rehash: bool) -> tuple[pl.DataFrame, Noticed]:
    """Return the clip index of the recordings, with the digests of their sound, and what else was noticed of them.

    rehash : read every recording, even if it seems to be what it was.
    """
    memory = Memory(store.recordings, trusted=not rehash)
    with remembering(memory), noticing() as noticed:
        index = completed(reader.clips(root))
        return CLIP_INDEX.check(noticed.with_sounds(index)), noticed
