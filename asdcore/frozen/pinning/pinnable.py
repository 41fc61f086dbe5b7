"""Hash the files that a freeze pins, and refuse those that cannot be read or are others than at the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

from asdcore.errors import ManifestError
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.shards import Shards, in_tables, is_sharded, write_shards
from asdcore.frozen.manifest.statement import check_name
from asdcore.frozen.pinning.hashing import HashedFile, hash_files
from asdcore.progress import Progress
from asdcore.runs.portions import TablePortions

Advance = Callable[[int], None]
SHOWN = 20


def pinnable(names: Iterable[str], roots: Roots, had: Mapping[str, str], advance: Advance) -> dict[str, HashedFile]:
    """Return the size and digest of every file.

    had : the digests of some of them at the run. Raises ManifestError with all that cannot be pinned.
    """
    files = hash_files(names, lambda name: roots.locate_text(check_name(name)), done=advance)
    problems = []
    for name, file in files.items():
        if file.trouble:
            problems.append(f"{name}: {file.trouble}")
        elif had.get(name, file.sha256) != file.sha256:
            problems.append(f"{name}: changed since the run")
    if problems:
        more = f", and {len(problems) - SHOWN} more" * (len(problems) > SHOWN)
        raise ManifestError("\n  - ".join(["This run cannot be frozen:", *problems[:SHOWN]]) + more)
    return files


def write_recordings(manifest: Path, tables: TablePortions, roots: Roots, progress: Progress) -> Shards | None:
    """Hash the recordings of a run and write them as the shards of a manifest, if there are many; else return None."""
    if not is_sharded(tables.n_clips):
        return None
    with progress.stage("hash", tables.n_clips) as advance:
        recordings = in_tables(tables.portions("clips"))
        written = write_shards(manifest, (_hashed(table, roots, advance) for table in recordings))
    return Shards(manifest, tuple(written))


def _hashed(recordings: pl.DataFrame, roots: Roots, advance: Advance) -> pl.DataFrame:
    """Return recordings (name, part, and had: the digest at the run) with size and sha256."""
    files = pinnable(recordings["name"], roots, dict(recordings.select("name", "had").rows()), advance)
    sizes = pl.Series([file.size for file in files.values()], dtype=pl.Int64)
    return recordings.with_columns(size=sizes, sha256=pl.Series([file.sha256 for file in files.values()]))
