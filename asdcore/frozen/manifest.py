"""Read and write frozen manifests: in-toto Statements v1 in canonical JSON (RFC 8785), sealed with their own digest.

    subject        every file that the result depends on: name, size, SHA-256, for tables the content digest
    predicate      what ran: portfolio, plugins, environment, splits, looks at the labels, and the lineage: the parents
                   of every artifact, down to the results
    predicate.sealed   when it was frozen, and the SHA-256 of all the rest: the only field that two freezes of one run
                   may differ in

A subject is named ``<root>/<path below it>``; :mod:`asdcore.frozen.locations` says where the roots lie.
Source of the format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asdcore.basics.parse import parse_json
from asdcore.errors import ManifestError
from asdcore.frozen.manifest_schema import understood, written
from asdcore.runs.folder import PORTFOLIO_FILE, RUN_FILE, TABLES
from asdcore.store.atomic import write_bytes
from asdcore.store.canonical import canonical_json
from asdcore.store.digest import RECIPE_ALGORITHM, TABLE_ALGORITHM
from asdcore.store.sealed_json import FIELD, is_sealed, seal, unsealed

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:asdcore:frozen-run:v"
SCHEMA = 2
READ = ("1", "2")
"""The schemas that are read. The first pinned no fitted state."""

KINDS = ("audio", "checkpoint", "plugin", "code", "portfolio", "record", "features", "fitted", "trained", "table")

LARGEST = 1 << 28
"""Bytes: no manifest comes near it (20,000 clips make some 6 MB), and nothing larger is read."""

_RECORD = f"run/{RUN_FILE}"
_OF_EVERY_RUN = (_RECORD, f"run/{PORTFOLIO_FILE}", *(f"run/{name}.parquet" for name in TABLES))
_DIGESTS = {"record": (False, True), "table": (True, True), "features": (True, True)}
"""Whether a kind has (a SHA-256 of its bytes, a digest of its content); others have the first alone."""

_HEX = re.compile(r"[0-9a-f]{64}")
_SEAL = f'"{FIELD}":"'.encode()


class NothingToCheckError(ManifestError):
    """A manifest or key is missing or of another kind: the command was used wrongly, no check has failed."""


@dataclass(frozen=True)
class Subject:
    """One pinned artifact: ``sha256`` and ``size`` of the file's bytes, and ``content``, a digest of its values.

    A run's record has no SHA-256: it holds timings, so only its content is pinned.
    """

    name: str
    kind: str
    size: int | None = None
    sha256: str | None = None
    content: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as an in-toto ResourceDescriptor."""
        digest = {"sha256": self.sha256, _algorithm(self.kind): self.content}
        notes = {"kind": self.kind, "size": self.size}
        return {
            "name": self.name,
            "digest": {key: value for key, value in digest.items() if value is not None},
            "annotations": {key: value for key, value in notes.items() if value is not None},
        }


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read and whose seal is intact.

    Attributes
    ----------
    path : Path
        Where it lies.
    subjects : dict
        {name: pinned artifact}.
    predicate : dict
        What ran: portfolio, plugins, environment, splits, looks at the labels and lineage.
    sha256 : str
        The SHA-256 (hex) of its bytes.
    """

    path: Path
    subjects: dict[str, Subject]
    predicate: dict[str, Any] = field(repr=False)
    sha256: str

    def of_kind(self, *kinds: str) -> list[Subject]:
        """Return the subjects of some kinds, in the order of their names."""
        return [subject for subject in self.subjects.values() if subject.kind in kinds]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The (machine, section) that were frozen, sorted."""
        nodes = (node.split("/") for node in self.predicate["lineage"] if node.startswith("clips/"))
        return sorted((machine, section) for _, machine, section in nodes)


def write_manifest(path: Path, subjects: list[Subject], predicate: dict[str, Any], time: str) -> Manifest:
    """Write a manifest atomically and return it as read back; ``time`` goes into its seal.

    Raises ManifestError if canonical JSON cannot hold a value.
    """
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "predicateType": f"{PREDICATE}{SCHEMA}",
        "subject": [subject.as_json() for subject in sorted(subjects, key=lambda subject: subject.name)],
        "predicate": {**written(predicate), FIELD: unsealed(time)},
    }
    try:
        content = canonical_json(statement)
    except ValueError as error:
        raise ManifestError(
            f"{path} cannot be written: {error}. Names are Unicode, whole numbers at most 2^53 - 1."
        ) from None
    write_bytes(path, seal(content))
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
    from hashlib import sha256

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
    if (schema := kind.removeprefix(PREDICATE)) not in READ:
        raise NothingToCheckError(
            f"{path} has schema {schema!r}, this asdcore reads schema {' and '.join(READ)}. Use the asdcore "
            f"that froze it ({_version(statement)}), or freeze the run again."
        )
    if not is_sealed(content):
        raise changed
    try:
        subjects = {subject.name: subject for subject in map(_subject, statement["subject"])}
        if len(subjects) != len(statement["subject"]):
            raise ValueError("a subject is listed twice")
        if lost := [name for name in _OF_EVERY_RUN if name not in subjects]:
            raise ValueError(f"{lost[0]} is not pinned")
        predicate = understood(statement["predicate"], set(subjects))
    except (ManifestError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path} is sealed, but holds what no freeze writes: {_short(error)}.") from None
    return Manifest(path, subjects, predicate, sha256(content).hexdigest())


def check_name(name: str) -> str:
    """Return a subject's name; raises ManifestError if it could lead out of its root, or is not Unicode."""
    parts = name.split("/")
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        raise ManifestError(f"the name {name!r} leads out of its root")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ManifestError(f"the name {name!r} is not Unicode") from None
    return name


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


def _algorithm(kind: str) -> str:
    return RECIPE_ALGORITHM if kind == "record" else TABLE_ALGORITHM


def _subject(descriptor: dict[str, Any]) -> Subject:
    digest, notes = descriptor["digest"], descriptor["annotations"]
    subject = Subject(
        check_name(descriptor["name"]),
        notes["kind"],
        notes.get("size"),
        digest.get("sha256"),
        digest.get(_algorithm(notes["kind"])),
    )
    if subject.kind not in KINDS or (subject.kind == "record") is not (subject.name == _RECORD):
        raise ValueError(f"{subject.name} is of the kind {subject.kind!r}")
    digests = (subject.sha256, subject.content)
    has = tuple(digest is not None for digest in digests)
    if has != _DIGESTS.get(subject.kind, (True, False)) or not all(
        _HEX.fullmatch(digest) for digest in digests if digest
    ):
        raise ValueError(f"{subject.name} has no digest, or one too many")
    if subject.sha256 and not (type(subject.size) is int and subject.size >= 0):
        raise ValueError(f"{subject.name} has the size {subject.size!r}")
    return subject


def _version(statement: dict[str, Any]) -> str:
    predicate = statement.get("predicate")
    return f"asdcore {predicate.get('asdcore', 'unknown') if isinstance(predicate, dict) else 'unknown'}"


def _short(error: Exception) -> str:
    text = str(error) if type(error) in (ValueError, ManifestError) else f"{type(error).__name__}: {error}"
    return text[:200]
