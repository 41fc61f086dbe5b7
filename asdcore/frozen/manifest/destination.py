"""Check that a manifest may be written to a path, and choose the time for its seal."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from asdcore.errors import ManifestError
from asdcore.frozen.manifest.signing import signature_of
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.store.disk.atomic import check_writable

TIME = re.compile(r"[\w .:+-]+", re.ASCII)


def check_place(path: Path, record: str) -> None:
    """Raise an error, before any work, if no manifest can be written to ``path`` or it holds something else.

    record : the content digest of the run's record. A manifest of the same run may be replaced.
    """
    check_writable(path.parent)
    if path.is_dir():
        raise ManifestError(f"{path} is a folder. Name a file for the manifest, such as {path / 'manifest.json'}.")
    if signature_of(path).exists():
        raise ManifestError(
            f"{signature_of(path)} signs a manifest of this name, so it is not written over. Choose another name, or "
            "remove both first."
        )
    if path.exists() and not _is_of(record, path):
        raise ManifestError(f"{path} already exists and pins a different run. Choose another name, or remove it first.")


def _is_of(record: str, path: Path) -> bool:
    try:
        return [subject.content for subject in read_manifest(path).of_kind("record")] == [record]
    except ManifestError:
        return False


def moment_of(time: str | None) -> str:
    """Return the time for a seal: the given one, else ``$SOURCE_DATE_EPOCH`` (seconds since 1970), else now (UTC)."""
    if time is not None:
        if not TIME.fullmatch(time):
            raise ManifestError(f"The time is {time!r}; letters, digits, spaces and . : + - are allowed.")
        return time
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise ManifestError(
            f"SOURCE_DATE_EPOCH is {epoch!r}, not a number of seconds since 1970. Unset it, or give --time."
        ) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
