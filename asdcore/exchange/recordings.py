"""Finds the recording that each row of a table of features is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import polars as pl

from asdcore.basics.recording_parts import part_of
from asdcore.components.readers import Windows, in_windows, reader_of
from asdcore.contract.plugins import installed
from asdcore.errors import DataError
from asdcore.exchange.vectors import Floats, Vectors
from asdcore.stages import listing
from asdcore.store.cache import Store

SHOWN = 3


def clips_below(data: Path, task: str | None, store: Store, windows: Windows | None = None) -> pl.DataFrame:
    """Return the clip index of the recordings, or of their windows.

    What a run with this store has read is not read again.
    """
    _, reader = reader_of(task, data, installed())
    return listing.clips(in_windows(reader, windows), data, store, rehash=False)[0]


def by_digest(vectors: Vectors, clips: pl.DataFrame, table: Path, data: Path) -> tuple[dict[str, Floats], list[str]]:
    """Return {SHA-256 of a recording: its features}, and the names in the table that are of no clip below ``data``.

    Raises DataError if a clip has no features, two copies of a recording have differing ones, or digests in the table
    are not those of the recordings.
    """
    digests = dict(clips.select("clip", "sha256").rows())
    if vectors.are_by_digest:
        matched = {name: name for name in vectors.by_name if name in set(digests.values())}
    else:
        matched = _of_names(vectors.by_name, digests)
        _check_digests(matched, vectors.digests or {}, table)
    features = features_of(matched, vectors, table)
    _check_complete(features, digests, vectors, table, data)
    return features, [name for name in vectors.by_name if name not in matched]


def features_of(digests: Mapping[str, str], vectors: Vectors, table: Path) -> dict[str, Floats]:
    """Return {digest: features} of the names in {name: digest}.

    Raises DataError if two names are the same recording, with differing features.
    """
    features: dict[str, Floats] = {}
    for name, digest in digests.items():
        before = features.setdefault(digest, vectors.by_name[name])
        if before.shape != vectors.by_name[name].shape or before.tobytes() != vectors.by_name[name].tobytes():
            raise DataError(
                f"{table}: {name} is the same recording as another row, with other features. Compute the features of "
                "both in the same way, or remove one."
            )
    return features


def _of_names(names: Iterable[str], digests: Mapping[str, str]) -> dict[str, str]:
    """Return {name: digest} of the names that are those of clips.

    A name may lack the ending of the file, or begin with other folders: "/data/fan/train/clip.wav".
    """
    digest_of = dict(digests)
    for clip, digest in digests.items():
        digest_of.setdefault(_without_ending(clip), digest)
    depths = sorted({len(PurePosixPath(clip).parts) for clip in digests}, reverse=True)
    matched = {}
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        tails = ("/".join(parts[-depth:]) for depth in depths)
        if match := next((digest_of[tail] for tail in (name, *tails) if tail in digest_of), None):
            matched[name] = match
    return matched


def _without_ending(clip: str) -> str:
    """Return the name of a clip without the ending of its file: of a part, the part stays."""
    file = part_of(clip).file
    return str(PurePosixPath(file).with_suffix("")) + clip[len(file) :]


def _check_digests(matched: Mapping[str, str], digests: Mapping[str, str], table: Path) -> None:
    """Raise DataError if the table says of a clip another digest than its recording has."""
    wrong = [name for name, digest in matched.items() if digests.get(name, digest) != digest]
    if wrong:
        raise DataError(
            f"{table}: {len(wrong)} of {len(matched)} digests are not those of the recordings, the first: {wrong[0]}. "
            "The features are of other files under these names: compute them again, of these recordings."
        )


def _check_complete(
    features: Mapping[str, Floats], digests: Mapping[str, str], vectors: Vectors, table: Path, data: Path
) -> None:
    missing = [clip for clip, digest in digests.items() if digest not in features]
    if not missing:
        return
    names = list(vectors.by_name)
    what = "digests" if vectors.are_by_digest else "names"
    none = f" None of its {what} is that of a recording here; they are like {names[0]}." if not features else ""
    raise DataError(
        f"{table} has no features of {len(missing)} of the {len(digests)} clips below {data}, the first: "
        f"{', '.join(missing[:SHOWN])}.{none} Add a row for each, or name with --data the folder that the table is of."
    )
