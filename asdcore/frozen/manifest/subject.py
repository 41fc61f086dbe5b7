"""One pinned artifact of a manifest: its name, size and digests, and how a manifest writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from asdcore.errors import ManifestError
from asdcore.runs.folder import RUN_FILE
from asdcore.store.digests.digest import RECIPE_ALGORITHM, TABLE_ALGORITHM

KINDS = ("audio", "checkpoint", "plugin", "code", "portfolio", "record", "features", "fitted", "trained", "table")

_RECORD = f"run/{RUN_FILE}"
_DIGESTS = {"record": (False, True), "table": (True, True), "features": (True, True)}
"""Whether a kind has (a SHA-256 of its bytes, a digest of its content); others have the first alone."""

_HEX = re.compile(r"[0-9a-f]{64}")


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


def _algorithm(kind: str) -> str:
    return RECIPE_ALGORITHM if kind == "record" else TABLE_ALGORITHM


def subject_of(descriptor: dict[str, Any]) -> Subject:
    """Return the subject of an in-toto ResourceDescriptor; raises an error if no freeze writes it."""
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
