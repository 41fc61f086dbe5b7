"""The store of computed artifacts, each named by the digest of its recipe.

    STORE/features/<recipe>/<shard>.parquet   features of one (view, encoder, layer, pooling), a shard a chunk of clips
    STORE/names/<recipe>.parquet              the clips of each shard of a large feature set
    STORE/fitted/<recipe>.safetensors         what the scorer of one (machine, section, branch) has learnt
    STORE/trained/<recipe>.safetensors        what a trained encoder has learnt
    STORE/scores/<recipe>.parquet             scores of one (machine, section, branch)
    STORE/ranges/<recipe>.parquet             how far train normals of one (machine, section) and feature set depend on
                                              their neighbours
    STORE/recordings/<folder>.parquet         digests of the recordings of one data folder, by size, inode and times
    STORE/recordings/windows/<folder>.parquet the same of the windows that runs have cut them into
    STORE/looks.jsonl, looks.head.json        the ledger: every look at a ground truth, in a hash chain, and its head

A recipe holds all that determines the artifact: names, parameters, the digests of the plugin's and the framework's
sources, library versions and the digests of its inputs. Writes are atomic, so a run killed at any moment resumes, and
two processes that compute the same artifact write the same content under the same name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from asdcore.basics.paths import path_of_variable
from asdcore.errors import StoreError
from asdcore.store.digests.digest import recipe_digest, table_digest
from asdcore.store.disk.atomic import remove_orphans
from asdcore.store.disk.shared_disk import soon
from asdcore.store.score_chunks import lacking
from asdcore.store.shards.even_shards import read_even
from asdcore.store.shards.shard_names import each_shard, forget, repair, shards_of_clips
from asdcore.store.tables import (
    CHUNK_SCORES,
    FEATURES,
    FULL,
    RANGES,
    check_content,
    read_parquet,
    read_table,
    write_parquet,
    write_table,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def default_store() -> Path:
    """Return the per-user store: ``$ASDCORE_STORE``, else ``asdcore`` in the user's cache folder.

    Raises AsdcoreError if the variable is set and empty.
    """
    if chosen := path_of_variable("ASDCORE_STORE"):
        return chosen
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asdcore"


class Store:
    """Reads and writes the artifacts below one folder. Nothing is created until something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def sweep(self) -> None:
        """Remove half-written files of killed runs."""
        if self.root.is_dir():
            remove_orphans(self.root)

    @property
    def recordings(self) -> Path:
        """What recordings are known to be; see :mod:`asdcore.data.clip_index.remembered_facts`."""
        return self.root / "recordings"

    @property
    def looks(self) -> Path:
        """The ledger of every look at a ground truth; see :mod:`asdcore.evidence.ledger`."""
        return self.root / "looks.jsonl"

    def features(self, recipe: dict[str, object]) -> FeatureSet:
        """Return the feature set of one (view, encoder, layer, pooling)."""
        return FeatureSet(self.root / "features" / recipe_digest(recipe))

    def fitted_path(self, recipe: dict[str, object]) -> Path:
        """Return the path of the state of a scorer fitted on one (machine, section) by one branch."""
        return self.root / "fitted" / f"{recipe_digest(recipe)}.safetensors"

    def trained_path(self, recipe: dict[str, object]) -> Path:
        """Return the path of what an encoder has learnt of train normals."""
        return self.root / "trained" / f"{recipe_digest(recipe)}.safetensors"

    def scores_path(self, recipe: dict[str, object]) -> Path:
        """Return the path of the scores of one (machine, section, branch)."""
        return self.root / "scores" / f"{recipe_digest(recipe)}.parquet"

    def read_scores(self, path: Path, clips: tuple[int, int] | None = None) -> pl.DataFrame:
        """Read one chunk of scores.

        clips : how many train normals and test clips it must hold. Raises StoreError if it holds others, is damaged, or
        has rows that no scorer gives.
        """
        chunk = read_table(CHUNK_SCORES, path, repair(path))
        sound = pl.col("role").is_in(["oof", "test"]) & (pl.col("row") >= 0) & (pl.col("fold") >= FULL)
        if not len(chunk) or not chunk.select((sound & pl.col("score").is_finite()).fill_null(False).all()).item():
            raise StoreError(f"{path} holds rows that no scorer gives. {repair(path)}")
        if clips and (lost := lacking(chunk, *clips)):
            raise StoreError(f"{path} does not hold the scores of its recipe: {lost}. {repair(path)}")
        return chunk

    def write_scores(self, path: Path, frame: pl.DataFrame) -> str:
        """Write one chunk of scores; returns its content digest."""
        return write_table(CHUNK_SCORES, frame, path)

    def ranges_path(self, recipe: dict[str, object]) -> Path:
        """Return the path of the ranges of one (machine, section) and feature set."""
        return self.root / "ranges" / f"{recipe_digest(recipe)}.parquet"

    def read_ranges(self, path: Path) -> pl.DataFrame:
        """Read how far the train normals of each domain depend on their neighbours."""
        return read_table(RANGES, path, repair(path))

    def write_ranges(self, path: Path, frame: pl.DataFrame) -> str:
        """Write the ranges of one (machine, section) and feature set; returns their content digest."""
        return write_table(RANGES, frame, path)


class FeatureSet:
    """The features of one (view, encoder, layer, pooling), by audio digest, in shards.

    A row holds one clip's features flattened, and their shape: (D,) for pooled ones, (time, band, dim) for ``frames``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def digest(self) -> str:
        """The digest of the set's recipe."""
        return self.folder.name

    @cached_property
    def _where(self) -> dict[str, Path]:
        """Map each audio digest to the shard that holds it."""
        return shards_of_clips(self.folder)

    def held(self) -> set[str]:
        """Return the audio digests of all clips in the set."""
        return set(self._where)

    def each_shard(self) -> Iterator[tuple[Path, Sequence[str]]]:
        """Yield every shard, and the audio digests in it, in the order of names; nothing is kept in memory."""
        return each_shard(self.folder)

    def missing(self, audio: Sequence[str]) -> list[str]:
        """Return the audio digests that the set lacks, in order and once each."""
        where = self._where
        return [digest for digest in dict.fromkeys(audio) if digest not in where]

    def shard(self, audio: Sequence[str]) -> Path:
        """Return the path of the shard of some clips. It is named by them, so that recomputing it replaces it."""
        return self.folder / f"{recipe_digest({'clips': sorted(audio)})}.parquet"

    def write(self, audio: Sequence[str], features: Sequence[NDArray[np.float32]]) -> str:
        """Add one shard: a float32 array for each audio digest. Returns its content digest."""
        frame = pl.DataFrame(
            {
                "audio_sha256": list(audio),
                "shape": [list(array.shape) for array in features],
                "values": [np.ascontiguousarray(array, np.float32).ravel() for array in features],
            },
            schema=FEATURES.columns,
        ).sort(FEATURES.key)
        digest = table_digest(frame, FEATURES.key)
        write_parquet(frame, self.shard(audio), digest)
        self.__dict__.pop("_where", None)
        return digest

    def load(self, audio: Sequence[str]) -> NDArray[np.float32]:
        """Return the features (n_clips, ...) float32 of the clips asked for, in that order."""
        rows = self.rows(audio)
        shapes = {rows[digest].shape for digest in audio}
        if len(shapes) > 1:
            raise StoreError(
                f"Features of {len(shapes)} different shapes ({sorted(shapes)[:4]}) do not fit one scorer. "
                "Clips of differing length need a pooling over time, such as 'mean'."
            )
        return np.stack([rows[digest] for digest in audio])

    def rows(self, audio: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return {audio digest: features} of at least the clips asked for."""
        rows = self._rows(audio)
        if not rows.keys() >= set(audio):  # another process wrote a shard, or changed one, since the names were read
            rows = soon(lambda: self._rows_anew(audio), self.folder) or rows
        if lost := set(audio) - rows.keys():
            raise StoreError(f"{self.folder} lacks the features of {len(lost)} clips. Run the portfolio again.")
        return rows

    def _rows(self, audio: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the features of those clips asked for that the set has, and of others in the same shards."""
        where = self._where
        rows: dict[str, NDArray[np.float32]] = {}
        for shard in sorted({where[digest] for digest in audio if digest in where}):
            rows |= self._read(shard)
        return rows

    def _rows_anew(self, audio: Sequence[str]) -> dict[str, NDArray[np.float32]] | None:
        """Return what :meth:`_rows` does after the folder was looked at again; None if clips are still missing."""
        forget(self.folder)
        self.__dict__.pop("_where", None)
        return self._rows(audio) if not self.missing(audio) else None

    def content(self, shard: Path) -> str:
        """Return the content digest of a shard; raises StoreError if the shard has changed."""
        if (usual := read_even(shard)) is not None:
            return usual.digest
        return check_content(self._frame(shard), FEATURES.key, shard, repair(shard))

    def _frame(self, shard: Path) -> pl.DataFrame:
        """Return a shard's rows, of the right kinds."""
        frame = read_parquet(shard, repair(shard))
        try:
            return FEATURES.check(frame)
        except StoreError as error:
            raise StoreError(f"{shard}: {error} {repair(shard)}") from error

    def _read(self, shard: Path) -> dict[str, NDArray[np.float32]]:
        if (usual := read_even(shard)) is not None:
            return usual.rows
        frame = self._frame(shard)
        check_content(frame, FEATURES.key, shard, repair(shard))
        return rows_of(frame, f"{shard} holds rows that are not features of a clip. {repair(shard)}")


def rows_of(frame: pl.DataFrame, damage: str) -> dict[str, NDArray[np.float32]]:
    """Return {audio digest: features} of a shard's rows; raises StoreError, saying ``damage``, if they are none."""
    try:
        shapes = [tuple(_length(length) for length in shape) for shape in frame["shape"].to_list()]
        arrays = _split(frame["values"])
        rows = {
            name: array.reshape(shape)
            for name, shape, array in zip(frame["audio_sha256"].to_list(), shapes, arrays, strict=True)
        }
    except (TypeError, ValueError, AttributeError):  # of a null, or a shape that its values do not have
        rows = {}
    if len(rows) < len(frame) or not all(np.isfinite(array).all() for array in rows.values()):
        raise StoreError(damage)
    return rows


def _split(values: pl.Series) -> list[NDArray[np.float32]]:
    """Return the arrays of a column of lists; raises AttributeError for a null."""
    lengths = values.list.len()
    if lengths.null_count() or not lengths.min():  # what is empty has a place among the values, too
        return [row.to_numpy() for row in values]
    return np.split(values.explode().to_numpy(), np.cumsum(lengths.to_numpy())[:-1])


def _length(value: object) -> int:
    """Return one dimension of a shape; raises ValueError for -1, which NumPy would read as "whatever fits"."""
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a length")
    return value
