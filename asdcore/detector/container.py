"""The file of a detector: a zip of a frozen manifest and the pinned files that a score needs.

    detector.json       sealed: the format, the manifest's name and SHA-256, and the names of the other members
    manifest.json       the manifest, byte for byte; beside it ``manifest.json.sig`` if it was signed
    run/...             tables: clips, scores, systems
    store/fitted/...    what scorers have learnt
    store/features/...  train features, for scorers that compare distances
    store/trained/...   what trained encoders have learnt
    resource/R/...      checkpoints, if they travel inside

Every member but the first is named as the manifest names it, and is used only if its SHA-256 is the pinned one. So the
manifest's seal and signature hold for all of the file. Members are stored as they are, not compressed again.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from asdcore.basics.parse import parse_json
from asdcore.basics.table_files import read_parquet
from asdcore.components.checkpoints import CHECKPOINT
from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.manifest.signing import check_signature
from asdcore.frozen.manifest.statement import Manifest, NothingToCheckError, check_name, parse_manifest
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed
from asdcore.store.disk.zips import Content, DamagedError, blocks_of, opened_zip, write_stored
from asdcore.store.tables import Table

FORMAT = 1
ABOUT, MANIFEST, SIGNATURE = "detector.json", "manifest.json", "manifest.json.sig"
LARGEST_ABOUT = 1 << 28
LONGEST_NAME = 250
"""Bytes of a file's name that leave room for ``.sig``: file systems allow 255."""
LAST = b"PK\x05\x06"
"""What the last record of a zip begins with; without a comment it is the last 22 bytes of the file."""


@dataclass(frozen=True)
class Container:
    """A detector's file whose every member is as it was frozen."""

    path: Path
    manifest: Manifest
    members: frozenset[str]
    checkpoints: Mapping[str, str]
    """{a checkpoint as the portfolio names it: the member that is its file, or the folder of members}."""

    def read(self, name: str) -> bytes:
        """Return a member's bytes. Raises ManifestError if the file lacks it, or was changed since it was opened."""
        if name not in self.members:
            raise ManifestError(f"{self.path} does not hold {name}. {_AGAIN}")
        try:
            if not self.path.is_file():  # a pipe would be waited for
                raise DamagedError("it is missing, or not a file")
            with opened_zip(self.path) as opened:
                content = b"".join(blocks_of(opened, opened.getinfo(name)))
        except (DamagedError, OSError, KeyError) as error:
            raise ManifestError(f"{self.path} cannot be read any more: {error}. {_AGAIN}") from None
        if hashlib.sha256(content).hexdigest() != self.manifest.subjects[name].sha256:
            raise ManifestError(f"{self.path} was changed while it was in use: {name} is another. {_AGAIN}")
        return content

    def read_table(self, table: Table, name: str) -> pl.DataFrame:
        """Return the table that a member holds. Raises ManifestError if no freeze writes such a one."""
        try:
            return table.check(read_parquet(self.read(name)))
        except (pl.exceptions.PolarsError, StoreError) as error:
            what = f"{name} holds what no freeze writes: {str(error).splitlines()[0]}"
            raise ManifestError(f"{self.path} is sealed, but {what}. {_AGAIN}") from None

    def unpack(self, root: str, folder: Path) -> None:
        """Write all members whose names begin with ``root`` below a folder; each is checked as it is read."""
        for name in sorted(self.members):
            if name.startswith(root):
                target = folder / check_name(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.read(name))


_AGAIN = "'asdcore export MANIFEST --out NAME.asd' makes it anew."
_MADE = "'asdcore export MANIFEST --out NAME.asd' makes one."


def write_container(
    path: Path,
    manifest: tuple[str, bytes],
    signature: bytes | None,
    members: Mapping[str, Content],
    checkpoints: Mapping[str, str],
) -> None:
    """Write a detector's file.

    Parameters
    ----------
    path : Path
        The file.
    manifest : tuple of str and bytes
        The manifest's file name, which its signature covers, and its bytes.
    signature : bytes, optional
        Its signature.
    members : mapping of str to bytes or Path
        The content of every other member.
    checkpoints : mapping of str to str
        {a checkpoint as the portfolio names it: the member that is its file, or the folder of members}.
    """
    name, content = manifest
    about = {
        "format": FORMAT,
        "manifest": {"name": name, "sha256": hashlib.sha256(content).hexdigest()},
        "members": sorted(members),
        "checkpoints": dict(checkpoints),
        FIELD: unsealed(),
    }
    head: dict[str, Content] = {ABOUT: seal(canonical_json(about)), MANIFEST: content}
    head |= {SIGNATURE: signature} if signature is not None else {}
    write_stored(path, [*head.items(), *sorted(members.items())])


def open_container(path: Path, public_key: Path | None = None) -> Container:
    """Open a detector's file and check every byte of it against its manifest.

    Raises
    ------
    NothingToCheckError
        If there is no such file, or it is none of asdcore.
    ManifestError
        If it was cut short, edited, or does not carry the signature of the key's owner.
    """
    try:
        if not path.is_file():
            raise NothingToCheckError(f"There is no detector {path}. {_MADE}")
        with opened_zip(path) as opened:
            return _checked(opened, path, public_key)
    except OSError as error:
        raise NothingToCheckError(f"{path} cannot be read: {error.strerror}. {_AGAIN}") from None
    except DamagedError as error:
        if _first(path) == b"{":
            raise NothingToCheckError(
                f"{path} is JSON, such as a manifest is, and not a detector. 'asdcore export {path} --out NAME.asd' "
                "makes a detector of a manifest."
            ) from None
        raise ManifestError(f"{path} is not a detector, or was cut short or edited ({error}). {_AGAIN}") from None


def _checked(opened: zipfile.ZipFile, path: Path, public_key: Path | None) -> Container:
    infos = {info.filename: info for info in opened.infolist()}
    if ABOUT not in infos or MANIFEST not in infos:
        raise NothingToCheckError(f"{path} is a zip file, but not a detector of asdcore. {_MADE}")
    times = Counter(info.filename for info in opened.infolist())
    for info in opened.infolist():
        if times[info.filename] > 1:
            raise _edited(path, f"it holds {info.filename} twice")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise _edited(path, f"{info.filename} is compressed or encrypted")
    if opened.comment or opened.infolist()[0].header_offset or not _ends_with_its_list(path):
        raise _edited(path, "there are bytes before or behind what was written")
    about = _about(_small(opened, infos[ABOUT], path), path)
    content = _small(opened, infos[MANIFEST], path)
    if hashlib.sha256(content).hexdigest() != about["manifest"]["sha256"]:
        raise _edited(path, "its manifest is another")
    manifest = parse_manifest(content, path.with_name(f"{path.name}, manifest.json"))
    if public_key is not None:
        signature = _small(opened, infos[SIGNATURE], path) if SIGNATURE in infos else None
        _check_signed(content, str(about["manifest"]["name"]), signature, public_key, path)
    members = _members(infos, about["members"], manifest, path)
    for name in sorted(members):
        _check_member(opened, infos[name], manifest, path)
    for name in about["checkpoints"].values():
        if not any(f"{member}/".startswith(f"{name}/") for member in members):
            raise _edited(path, f"{name}, a checkpoint, is not inside")
    return Container(path, manifest, frozenset(members), about["checkpoints"])


def _members(infos: Mapping[str, zipfile.ZipInfo], listed: Iterable[str], manifest: Manifest, path: Path) -> set[str]:
    """Return the names of the members that the manifest pins; raises ManifestError unless these are all."""
    inside, expected = set(infos) - {ABOUT, MANIFEST, SIGNATURE}, set(listed)
    if lost := sorted(expected - inside):
        raise _edited(path, f"it lacks {lost[0]}")
    for name in sorted(inside):
        try:
            check_name(name)
        except ManifestError as error:
            raise _edited(path, str(error)) from None
        if name not in expected or name not in manifest.subjects:
            raise _edited(path, f"it holds {name}, which was not frozen")
    return inside


def _check_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, manifest: Manifest, path: Path) -> None:
    pinned, digest = manifest.subjects[info.filename], hashlib.sha256()
    if info.file_size != pinned.size:
        raise _edited(path, f"{info.filename} has {info.file_size} bytes, {pinned.size} were frozen")
    for block in blocks_of(opened, info):
        digest.update(block)
    if digest.hexdigest() != pinned.sha256:
        raise _edited(path, f"{info.filename} is not the file that was frozen")


def _about(content: bytes, path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = parse_json(content)
        if not is_sealed(content) or about["format"] != FORMAT:
            raise ValueError("its seal or format is another")
        name, digest, members = about["manifest"]["name"], about["manifest"]["sha256"], about["members"]
        inside = [text for pair in about["checkpoints"].items() for text in pair]
        if not all(isinstance(value, str) for value in (name, digest, *members, *inside)):
            raise ValueError("a name in it is not text")
        if not 0 < len(name.encode()) <= LONGEST_NAME or name in (".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"{name[:80]!r} is not the name of a file")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _edited(path, f"{ABOUT}: {error}") from None
    return about


def _check_signed(manifest: bytes, name: str, signature: bytes | None, public_key: Path, path: Path) -> None:
    if signature is None:
        raise ManifestError(f"{path} has no signature. 'asdcore freeze --sign KEY' makes one; export it again.")
    with TemporaryDirectory(prefix="asdcore-detector-") as folder:
        (Path(folder) / name).write_bytes(manifest)
        (Path(folder) / f"{name}.sig").write_bytes(signature)
        try:
            check_signature(Path(folder) / name, public_key)
        except ManifestError as error:
            raise type(error)(str(error).replace(str(Path(folder) / name), f"{path}, {name},")) from None


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)


def _ends_with_its_list(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-22, SEEK_END)
        return file.read(4) == LAST


def _small(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    if info.file_size > LARGEST_ABOUT:
        raise _edited(path, f"{info.filename} has {info.file_size:,} bytes")
    return b"".join(blocks_of(opened, info))


def _edited(path: Path, what: str) -> ManifestError:
    return ManifestError(f"{path} was edited or damaged: {what}. Nothing of it is used. {_AGAIN}")


def with_checkpoints(choices: Any, inside: dict[str, str]) -> Any:
    """Return a portfolio whose checkpoints are the files that travel inside: {as written: path}."""
    if isinstance(choices, list):
        return [with_checkpoints(choice, inside) for choice in choices]
    if not isinstance(choices, dict):
        return choices
    return {
        key: inside.get(value, value)
        if key == CHECKPOINT and isinstance(value, str)
        else with_checkpoints(value, inside)
        for key, value in choices.items()
    }
