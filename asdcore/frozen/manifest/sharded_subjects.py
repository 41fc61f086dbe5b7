"""The subjects of a manifest with shards: its own, and recordings, which are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from asdcore.frozen.manifest.shards import Shard, Shards
from asdcore.frozen.manifest.subject import Subject


class ShardedSubjects(Mapping[str, Subject]):
    """{name: subject}, in the order of names among the recordings; ``own`` are those in the manifest itself."""

    def __init__(self, own: dict[str, Subject], shards: Shards) -> None:
        self.own, self.shards = own, shards
        self._last: tuple[Shard, pl.DataFrame] | None = None

    def __len__(self) -> int:
        return len(self.own) + len(self.shards)

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        for frame in self.shards.frames():
            yield from frame["name"]

    def __getitem__(self, name: str) -> Subject:
        if (subject := self.own.get(name)) is not None:
            return subject
        row = self._row(name)
        if row is None:
            raise KeyError(name)
        return Subject(name, "audio", row[1], row[2])

    def recordings(self) -> Iterator[Subject]:
        """Yield the recordings, one shard in memory at a time."""
        for frame in self.shards.frames():
            for name, size, sha256, _ in frame.iter_rows():
                yield Subject(name, "audio", size, sha256)

    def node(self, name: str) -> str | None:
        """Return the node of the lineage that a recording belongs to, None if no shard holds it."""
        row = self._row(name)
        return None if row is None else row[3]

    def nodes_below(self, folder: str) -> set[str]:
        """Return the nodes of the recordings whose names begin with ``folder``, and the names of other subjects."""
        nodes = {name for name in self.own if name.startswith(folder)}
        for shard in self.shards.listed:
            if shard.first[: len(folder)] <= folder <= shard.last[: len(folder)]:
                frame = self._frame(shard)
                nodes |= set(frame.filter(pl.col("name").str.starts_with(folder))["part"].unique())
        return nodes

    def _row(self, name: str) -> tuple[str, int, str, str] | None:
        for shard in self.shards.listed:
            if shard.first <= name <= shard.last:
                frame = self._frame(shard)
                place = frame["name"].search_sorted(name)
                row: tuple[str, int, str, str] = frame.row(min(place, len(frame) - 1))
                return row if row[0] == name else None
        return None

    def _frame(self, shard: Shard) -> pl.DataFrame:
        """Read a shard, unless it is the one that was read last."""
        if self._last is None or self._last[0] != shard:
            self._last = shard, self.shards.frame(shard)
        return self._last[1]
