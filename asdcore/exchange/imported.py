"""Imports features that were computed elsewhere, so that branches name them as they name an encoder.

The features become one file of the registry, ``features.safetensors``: {SHA-256 of a recording: float32 array}. Such a
file is a checkpoint as any other: a run counts it by its content, a manifest pins it, and ``verify`` and ``infer`` know
it. The encoder that reads it hears no sound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asdcore.basics.paths import given_path, places
from asdcore.errors import DataError, ResourceError
from asdcore.exchange.recordings import by_digest, clips_below, features_of
from asdcore.exchange.vectors import Floats, read_vectors
from asdcore.portfolio.windows import Windows, windows_of
from asdcore.resources.add import add
from asdcore.resources.entries import ID, Resource
from asdcore.resources.registry import content_digest, open_registry, resource_folder
from asdcore.store.cache import Store, default_store
from asdcore.store.disk.atomic import disk_trouble, scratch

ENCODER = "imported"
FILE = "features.safetensors"

LONGEST = 100
"""Letters of a name: a folder and an entry are called so, and a file system takes 255 bytes."""


@dataclass(frozen=True)
class ImportedFeatures:
    """What was imported.

    Attributes
    ----------
    name : str
        What a branch names: ``encoder = { name = "imported", checkpoint = NAME }``.
    path : Path
        The file, and ``sha256`` its digest.
    recordings : int
        How many recordings have features.
    shape : tuple of int
        That of the first: (dim,), (time, dim) or (time, band, dim).
    unused : list of str
        Names in the table that are of no clip.
    """

    name: str
    path: Path
    sha256: str
    recordings: int
    shape: tuple[int, ...]
    unused: list[str]


def import_features(
    table: str | Path,
    name: str,
    *,
    version: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    data: str | Path | None = None,
    task: str | None = None,
    store: str | Path | None = None,
    seconds: float | None = None,
    hop: float | None = None,
) -> ImportedFeatures:
    """Import features of recordings that another program computed.

    Parameters
    ----------
    table : str or Path
        A Parquet file, an npz file or a folder of npy files; see :mod:`asdcore.exchange.vectors`.
    name : str
        What the features are called: small letters, digits, "." and "-".
    version : str, optional
        Which of several under this name; the two together, "NAME-VERSION", are what a branch names.
    source : str, optional
        Where they come from: an address, or some words.
    licence : str, optional
        Their licence. Default: "own".
    data : str or Path, optional
        The folder that holds ``<machine>/{train,test}/``. Needed if the table names clips and not their digests; given,
        every clip in it must have features.
    task : str, optional
        The dataset reader; by default the one that knows the names.
    store : str or Path, optional
        Where digests of recordings are remembered. Default: as in :func:`asdcore.run`.
    seconds, hop : float, optional
        The windows that the recordings below ``data`` are cut into, as in a portfolio: then the table names windows.

    Returns
    -------
    ImportedFeatures
        Its ``name`` is the checkpoint of the encoder "imported".

    Raises
    ------
    DataError
        If the table is unreadable, its arrays do not go together or are not finite, a clip has no features, or digests
        are not those of the recordings.
    ResourceError
        If other features have this name and version already, or the name is not allowed.

    References
    ----------
    The exchange format {file: embedding} of RMIS, github.com/jianganbai/RMIS, arXiv 2507.16696.

    Examples
    --------
    >>> table = asdcore.export_features("runs/first", "exported.npz")
    >>> imported = asdcore.import_features(table, "my-model", version="1.0", data="data")
    >>> imported.name
    'my-model-1.0'
    """
    path, given = given_path(table, "the table"), places(data=data, store=store)
    identifier = _identifier(name, version)
    windows = _windows(seconds, hop, given["data"])
    vectors = read_vectors(path)
    unused: list[str] = []
    if given["data"] is not None:
        clips = clips_below(given["data"], task, Store(given["store"] or default_store()), windows)
        features, unused = by_digest(vectors, clips, path, given["data"])
    elif vectors.are_by_digest:
        features = dict(vectors.by_name)
    elif vectors.digests is not None:
        features = features_of(vectors.digests, vectors, path)
    else:
        raise DataError(
            f"{path} names clips, such as {next(iter(vectors.by_name))}. Which recordings these are, --data says: the "
            "folder that holds <machine>/{train,test}/. A table of SHA-256 digests needs none."
        )
    about = {"revision": version or "", "licence": licence or "own", **_source(source)}
    entry = _kept(features, identifier, about)
    first = features[min(features)]
    file = resource_folder(entry.id) / FILE
    return ImportedFeatures(entry.id, file, str(entry.files[0].sha256), len(features), first.shape, unused)


def _windows(seconds: float | None, hop: float | None, data: Path | None) -> Windows | None:
    if seconds is None and hop is None:
        return None
    if seconds is None:
        raise DataError("hop says how far windows are apart, but not how long they are. Give seconds, too.")
    if data is None:
        raise DataError(
            "Which recordings the windows are of, data says: the folder that holds <machine>/{train,test}/."
        )
    return windows_of(seconds, hop)


def _identifier(name: str, version: str | None) -> str:
    identifier = name if version is None else f"{name}-{version}"
    if not ID.fullmatch(identifier):
        plain = re.sub(r"[^a-z0-9.]+", "-", identifier.lower()).strip("-.")
        raise ResourceError(
            f"{identifier!r} cannot name features: small letters and digits are allowed, with '.' or '-' between them"
            f"{f', such as {plain!r}' if ID.fullmatch(plain) else ''}."
        )
    if len(identifier) > LONGEST:
        raise ResourceError(
            f"Features are to be called {identifier[:20]}..., {len(identifier)} letters; at most {LONGEST} are "
            "allowed. Choose a shorter --name or --version."
        )
    return identifier


def _source(source: str | None) -> dict[str, str]:
    """Return what an entry says of where features come from: an address, or words."""
    if not source:
        return {}
    return {"source": source} if re.match(r"https?://", source) else {"notes": f"From: {source}"}


def _kept(features: Mapping[str, Floats], identifier: str, about: Mapping[str, str]) -> Resource:
    """Write the features as a file of the registry; the entry, if they are there already."""
    from safetensors.numpy import save_file

    registry, folder = open_registry(), resource_folder(identifier)
    with disk_trouble(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch(folder.parent, f"-{identifier}") as temporary:
            file = temporary / FILE
            save_file(dict(features), file)
            recorded = registry.resources.get(identifier)
            if recorded and [(kept.name, kept.sha256) for kept in recorded.files] != [(FILE, content_digest(file))]:
                raise ResourceError(
                    f"{identifier} is in the registry, with other content. Give these features another --name or "
                    "--version: runs that name the old ones stay as they are."
                )
            description = {} if recorded else {"title": f"Features {identifier}", "plugin": ENCODER, **about}
            return add(file, registry, identifier, own=not recorded, **description)
