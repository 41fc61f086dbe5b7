"""Read and write frozen manifests: in-toto Statements v1 in canonical JSON (RFC 8785), sealed with their own digest.

    subject        every file that the result depends on: name, size, SHA-256, for tables the content digest
    predicate      what ran: portfolio, plugins, environment, splits, looks at the labels, and the lineage: the parents
                   of every artifact, down to the results
    predicate.sealed   when it was frozen, and the SHA-256 of all the rest: the only field that two freezes of one run
                   may differ in

With more than 20,000 recordings these lie in files beside it (:mod:`asdcore.frozen.manifest.shards`), which it pins.

A subject is named ``<root>/<path below it>``; :mod:`asdcore.frozen.manifest.locations` says where the roots lie.
Source of the format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from asdcore.basics.parse import parse_json
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.predicate_schema import understood, written
from asdcore.frozen.manifest.sharded_subjects import ShardedSubjects
from asdcore.frozen.manifest.shards import Shard, Shards, as_json, listed, remove_others
from asdcore.frozen.manifest.subject import KINDS, Subject, check_name, subject_of
from asdcore.runs.folder import PORTFOLIO_FILE, RUN_FILE, TABLES
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed
from asdcore.store.disk.atomic import write_bytes

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:asdcore:frozen-run:v"
SCHEMA = 2
READ = ("1", "2")
"""The schemas that are read. The first pinned no fitted state."""

SHARDED = f"{SCHEMA}+shards"
"""The schema of a manifest whose recordings lie in shards beside it."""

LARGEST = 1 << 28
"""Bytes: no manifest comes near it (20,000 clips make some 6 MB), and nothing larger is read."""

_RECORD = f"run/{RUN_FILE}"
__all__ = [
    "KINDS",
    "Manifest",
    "NothingToCheckError",
    "Subject",
    "check_name",
    "parse_manifest",
    "read_manifest",
    "write_manifest",
]

_OF_EVERY_RUN = (_RECORD, f"run/{PORTFOLIO_FILE}", *(f"run/{name}.parquet" for name in TABLES))
_SEAL = f'"{FIELD}":"'.encode()


class NothingToCheckError(ManifestError):
    """A manifest or key is missing or of another kind: the command was used wrongly, no check has failed."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read and whose seal is intact.

    Attributes
    ----------
    path : Path
        Where it lies.
    subjects : mapping
        {name: pinned artifact}. Recordings in shards are read when they are asked for.
    predicate : dict
        What ran: portfolio, plugins, environment, splits, looks at the labels and lineage.
    sha256 : str
        The SHA-256 (hex) of its bytes.
    """

    path: Path
    subjects: Mapping[str, Subject]
    predicate: dict[str, Any] = field(repr=False)
    sha256: str

    def of_kind(self, *kinds: str) -> list[Subject]:
        """Return the subjects of some kinds, in the order of their names."""
        subjects = self.subjects if "audio" in kinds else self.own
        return [subject for subject in subjects.values() if subject.kind in kinds]

    @property
    def own(self) -> Mapping[str, Subject]:
        """The subjects that are listed in the manifest itself: all but recordings in shards."""
        return self.subjects.own if isinstance(self.subjects, ShardedSubjects) else self.subjects

    def node(self, name: str) -> str | None:
        """Return the node of the lineage that a subject is, or is one of; None if it is not pinned."""
        if isinstance(self.subjects, ShardedSubjects) and name not in self.own:
            return self.subjects.node(name)
        return name if name in self.subjects else None

    def nodes_below(self, folder: str) -> set[str]:
        """Return the nodes of the lineage of the subjects whose names begin with ``folder``."""
        if isinstance(self.subjects, ShardedSubjects):
            return self.subjects.nodes_below(folder)
        return {name for name in self.subjects if name.startswith(folder)}

    @property
    def shards(self) -> Shards | None:
        """The shards of the recordings, None if the manifest has none."""
        return self.subjects.shards if isinstance(self.subjects, ShardedSubjects) else None

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The (machine, section) that were frozen, sorted."""
        nodes = (node.split("/") for node in self.predicate["lineage"] if node.startswith("clips/"))
        return sorted((machine, section) for _, machine, section in nodes)


def write_manifest(
    path: Path, subjects: list[Subject], predicate: dict[str, Any], time: str, shards: Sequence[Shard] = ()
) -> Manifest:
    """Write a manifest atomically and return it as read back; ``time`` goes into its seal.

    shards : what :func:`asdcore.frozen.manifest.shards.write_shards` wrote of the recordings, which are not among
    ``subjects`` then.

    Raises ManifestError if canonical JSON cannot hold a value.
    """
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "predicateType": f"{PREDICATE}{SHARDED if shards else SCHEMA}",
        "subject": [subject.as_json() for subject in sorted(subjects, key=lambda subject: subject.name)],
        "predicate": {**written(predicate), **({"shards": as_json(shards)} if shards else {}), FIELD: unsealed(time)},
    }
    try:
        content = canonical_json(statement)
    except ValueError as error:
        raise ManifestError(
            f"{path} cannot be written: {error}. Names are Unicode, whole numbers at most 2^53 - 1."
        ) from None
    write_bytes(path, seal(content))
    remove_others(path, shards)
    return read_manifest(path)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises ManifestError if it was changed after it was sealed, NothingToCheckError if there is no manifest or one of
    another schema.
    """
    return parse_manifest(_content(path), path)


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Return the manifest that some bytes are; ``path`` is where they come from, for messages.

    Raises as :func:`read_manifest`.
    """
    if content.startswith(b"PK"):
        raise NothingToCheckError(
            f"{path} is a zip file, such as a detector is, and not a manifest (.json). 'asdcore freeze RUN --out "
            "MANIFEST' makes one."
        )
    changed = ManifestError(f"{path} was changed after it was sealed: do not use it. Get the manifest that was frozen.")
    try:
        statement = parse_json(content)
        kind = statement["predicateType"]
        if statement["_type"] != STATEMENT or not kind.startswith(PREDICATE):
            raise ValueError(f"it is a {kind!r}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if _SEAL in content or PREDICATE.encode() in content:
            raise changed from None
        raise NothingToCheckError(
            f"{path} is not a manifest of asdcore, or was cut short ({_short(error)}). 'asdcore freeze RUN' makes one."
        ) from None
    if _SEAL in content and not is_sealed(content):
        raise changed
    if (schema := kind.removeprefix(PREDICATE)) not in (*READ, SHARDED):
        raise NothingToCheckError(
            f"{path} has schema {schema!r}, this asdcore reads schema {' and '.join(READ)}. Use the asdcore "
            f"that froze it ({_version(statement)}), or freeze the run again."
        )
    if not is_sealed(content):
        raise changed
    try:
        subjects = {subject.name: subject for subject in map(subject_of, statement["subject"])}
        if len(subjects) != len(statement["subject"]):
            raise ValueError("a subject is listed twice")
        if lost := [name for name in _OF_EVERY_RUN if name not in subjects]:
            raise ValueError(f"{lost[0]} is not pinned")
        predicate = understood(statement["predicate"], subjects.keys())
        pinned = _with_shards(subjects, predicate, schema, path)
    except (ManifestError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path} is sealed, but holds what no freeze writes: {_short(error)}.") from None
    return Manifest(path, pinned, predicate, sha256(content).hexdigest())


def _with_shards(
    subjects: dict[str, Subject], predicate: dict[str, Any], schema: str, path: Path
) -> Mapping[str, Subject]:
    """Return the subjects, with those in shards if there are any; raises ValueError if these fit no manifest."""
    if (schema == SHARDED) is not ("shards" in predicate):
        raise ValueError("shards and schema do not go together")
    if "shards" not in predicate:
        return subjects
    if any(subject.kind == "audio" for subject in subjects.values()):
        raise ValueError("recordings are listed, and shards")
    return ShardedSubjects(subjects, listed(predicate["shards"], path))


def _content(path: Path) -> bytes:
    """Read a manifest's bytes; a device or a pipe, which may never end, is refused."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            trouble = "it is not a regular file"
        elif status.st_size > LARGEST:
            trouble = f"it has {status.st_size:,} bytes, more than any manifest"
        else:
            return path.read_bytes()
    except OSError as error:
        trouble = error.strerror or str(error)
    raise NothingToCheckError(f"{path} cannot be read: {trouble}. 'asdcore freeze RUN --out MANIFEST' makes one.")


def _version(statement: dict[str, Any]) -> str:
    predicate = statement.get("predicate")
    return f"asdcore {predicate.get('asdcore', 'unknown') if isinstance(predicate, dict) else 'unknown'}"


def _short(error: Exception) -> str:
    text = str(error) if type(error) in (ValueError, ManifestError) else f"{type(error).__name__}: {error}"
    return text[:200]
