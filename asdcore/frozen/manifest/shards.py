"""The recordings of a large manifest, in files beside it: memory stays flat however many there are.

With more than :data:`MANY` recordings a manifest lists them in shards, tables of :data:`ROWS` recordings each:

    NAME.json.shards/<SHA-256 of the file>.parquet      name, size, sha256 and part of each recording, sorted by name

The manifest pins each shard by its SHA-256, in ``predicate.shards``, with its first and last name and how many. So
the manifest's seal and signature hold for the recordings too: no shard can be lost, cut, changed, listed twice or
put in another's place unnoticed. ``part`` is its node in the lineage: ``audio/<machine>/<section>/<split>``.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.recording_parts import recording_name
from asdcore.basics.table_files import read_parquet
from asdcore.errors import ManifestError
from asdcore.store.disk.atomic import write_bytes
from asdcore.store.ordered_tables import in_portions

MANY = 20_000
"""A manifest of more recordings has shards."""

ROWS = 1 << 14
"""Recordings in a shard that is written."""

MOST = 1 << 16
"""Recordings in a shard that is read at most."""

LARGEST = 1 << 28
"""Bytes: no shard comes near it, even if every name is as long as a path may be, and nothing larger is read."""

SUFFIX = ".shards"
COLUMNS: dict[str, type[pl.DataType]] = {"name": pl.String, "size": pl.Int64, "sha256": pl.String, "part": pl.String}

_HEX = re.compile(r"[0-9a-f]{64}")
_ODD = r"//|/\.{1,2}(/|$)|/$|[\\\x00]"
"""What no name of a recording has: it could lead out of the data's folder."""


KEPT = 2
"""Shards whose names are kept while files are compared with them."""

PAST = chr(0x10FFFF)
"""What no name goes on with: the last of all characters."""


@dataclass(frozen=True)
class Shard:
    """One shard as the manifest pins it: the SHA-256 of its file, and the recordings in it."""

    sha256: str
    subjects: int
    first: str
    last: str


@dataclass(frozen=True)
class Shards:
    """The shards of a manifest. ``manifest`` is its path."""

    manifest: Path
    listed: tuple[Shard, ...]

    @property
    def folder(self) -> Path:
        """The folder that they lie in."""
        return folder_of(self.manifest)

    def __len__(self) -> int:
        """Return how many recordings they hold."""
        return sum(shard.subjects for shard in self.listed)

    def path(self, shard: Shard) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{shard.sha256}.parquet"

    def check_there(self) -> None:
        """Raise ManifestError if a shard is missing."""
        if lost := [shard for shard in self.listed if not self.path(shard).is_file()]:
            raise ManifestError(
                f"{self.manifest} lists its {len(self):,} recordings in {len(self.listed)} files of the folder "
                f"{self.folder}, and {len(lost)} of these are not there. The folder belongs to the manifest: move and "
                "copy both."
            )

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield every shard: name, size, sha256 and part of its recordings. Raises ManifestError if one was changed."""
        return map(self.frame, self.listed)

    def unlisted(self, folders: Iterable[set[str]]) -> set[str]:
        """Return the files of some folders that no recording is, nor is a part of.

        folders : the names of the files of each. Shards are read as they are needed, so related folders come together.
        """
        names_in = lru_cache(KEPT)(lambda shard: set(map(recording_name, self.frame(shard)["name"])))
        others = set[str]()
        for files in folders:
            first, last = min(files, default=""), max(files, default="") + PAST
            for shard in self.listed:
                if files and shard.first <= last and first <= shard.last:
                    files = files - names_in(shard)
            others |= files
        return others

    def frame(self, shard: Shard) -> pl.DataFrame:
        """Return one shard."""
        path = self.path(shard)
        content = self._content(path)
        if hashlib.sha256(content).hexdigest() != shard.sha256:
            raise ManifestError(
                f"{path} was changed after {self.manifest} was sealed: do not use them. Get both as they were frozen."
            )
        try:
            frame = read_parquet(content)
            trouble = _trouble(frame, shard)
        except pl.exceptions.PolarsError as error:
            trouble = str(error).splitlines()[0]
        if trouble:
            raise ManifestError(f"{path} is pinned, but holds what no freeze writes: {trouble}.")
        return frame

    def _content(self, path: Path) -> bytes:
        """Read the file of a shard; a pipe or a device, which may never end, is refused."""
        try:
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST:
                return path.read_bytes()
            trouble = "it is not a regular file, or larger than any shard"
        except FileNotFoundError:
            self.check_there()
            raise
        except OSError as error:
            trouble = error.strerror or str(error)
        raise ManifestError(f"{path} cannot be read: {trouble}. It belongs to {self.manifest}: bring back both.")


def folder_of(manifest: Path) -> Path:
    """Return the folder of a manifest's shards, whether it has any or not."""
    return manifest.with_name(f"{manifest.name}{SUFFIX}")


def is_sharded(n_clips: int) -> bool:
    """Whether a run has so many clips that a manifest lists their recordings in shards."""
    return n_clips > MANY


def name_of_clips() -> pl.Expr:
    """Return the expression that makes the names of recordings from a clip index."""
    return "data/" + pl.col("clip")


def part_of_clips() -> pl.Expr:
    """Return the expression that makes the nodes in the lineage of recordings from a clip index."""
    return pl.concat_str(pl.lit("audio"), "machine", "section", "split", separator="/")


def in_tables(portions: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield name, part and digest at the run (had) of recordings, in tables of the size of a shard.

    portions : a clip index, sorted by clip.
    """
    for clips in in_portions(portions, ROWS):
        yield clips.select(name=name_of_clips(), had="sha256", part=part_of_clips())


def write_shards(manifest: Path, tables: Iterable[pl.DataFrame]) -> list[Shard]:
    """Write tables of recordings, sorted by name from one to the next, as the shards of a manifest."""
    return [_write(folder_of(manifest), table) for table in tables]


def as_json(shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """Return shards as a manifest lists them."""
    return [asdict(shard) for shard in shards]


def listed(rows: Any, manifest: Path) -> Shards:
    """Return the shards that a manifest lists; raises ValueError if these are not what a freeze lists."""
    shards = tuple(Shard(**row) for row in rows)
    last = ""
    for shard in shards:
        texts = (shard.sha256, shard.first, shard.last)
        if not all(isinstance(text, str) for text in texts) or not _HEX.fullmatch(shard.sha256):
            raise ValueError("a shard has no digest or no names")
        if type(shard.subjects) is not int or not 1 <= shard.subjects <= MOST or not last < shard.first <= shard.last:
            raise ValueError(f"the shard {shard.sha256[:12]}... is listed twice, out of order, or of no size")
        last = shard.last
    return Shards(manifest, shards)


def remove_others(manifest: Path, kept: Sequence[Shard]) -> None:
    """Remove the shards of an earlier manifest at the same place."""
    folder, names = folder_of(manifest), {f"{shard.sha256}.parquet" for shard in kept}
    if not folder.is_dir():
        return
    for path in folder.glob("*.parquet"):
        if path.name not in names and _HEX.fullmatch(path.stem):
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _write(folder: Path, table: pl.DataFrame) -> Shard:
    buffer = io.BytesIO()
    table.select(list(COLUMNS)).write_parquet(buffer, compression="zstd", statistics=False)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{digest}.parquet", content)
    return Shard(digest, len(table), table["name"][0], table["name"][-1])


def _trouble(frame: pl.DataFrame, shard: Shard) -> str:
    """Say what is wrong with a shard that has the pinned digest, "" if nothing is."""
    if frame.schema != pl.Schema(COLUMNS) or any(frame.null_count().row(0)):
        return "other columns"
    names = frame["name"]
    if len(frame) != shard.subjects or (names[0], names[-1]) != (shard.first, shard.last):
        return "other recordings than the manifest says"
    if not (names.slice(1) > names.slice(0, len(names) - 1)).all():
        return "recordings that are not sorted, or twice the same"
    if names.str.contains(_ODD).any() or not names.str.starts_with("data/").all():
        return "a name that leads out of its root"
    if not frame["sha256"].str.contains(r"^[0-9a-f]{64}$").all() or not (frame["size"] >= 0).all():
        return "a digest or a size that is none"
    return ""
