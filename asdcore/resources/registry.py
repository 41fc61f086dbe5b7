"""Read the registry of external resources, locate their files, and check a checkpoint's hash before it is loaded.

    REGISTRY/<id>.toml            one entry a resource, see :mod:`asdcore.resources.entries`
    RESOURCES/<id>/<file name>    its files

Entries come from the registry that asdcore ships and from the user's own, ``registry`` in the per-user store. If
``$ASDCORE_REGISTRY`` or ``--registry`` names a folder, they come only from there. An entry of the user's own may have
the id of a shipped one only to fill in sizes and hashes that the shipped one leaves open. RESOURCES is
``$ASDCORE_RESOURCES``, else ``resources`` in the per-user store.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asdcore.basics.paths import path_of_variable
from asdcore.contract.source_code.files import FRESH
from asdcore.contract.source_code.folder_files import tree_files
from asdcore.errors import ResourceError
from asdcore.resources.entries import File, Resource, load_entry
from asdcore.store.cache import default_store
from asdcore.store.digests.digest import file_digest

PART = ".part"


@dataclass(frozen=True)
class Registry:
    """Entries by id, sorted, and the folder that new ones are written to."""

    resources: dict[str, Resource]
    home: Path

    def entries(self, kind: str | None = None) -> list[Resource]:
        """Return all entries, or those of one kind ("checkpoint", "dataset")."""
        return [entry for entry in self.resources.values() if kind in (None, entry.kind)]

    def entry(self, identifier: str) -> Resource:
        """Return one entry; raises ResourceError with the closest id."""
        if identifier not in self.resources:
            raise ResourceError(
                f"The registry has no entry {identifier!r}. {suggestion(identifier, self.resources)}"
                "'asdcore registry list' shows all, 'asdcore registry add FILE' makes one."
            )
        return self.resources[identifier]

    def by_sha256(self, digest: str) -> tuple[Resource, File] | None:
        """Return the entry and its file that have this hash, or None."""
        every = ((resource, file) for resource in self.resources.values() for file in resource.files)
        return next(((resource, file) for resource, file in every if file.sha256 == digest), None)

    def recorded(self, path: Path, files: Sequence[Path] = ()) -> Resource:
        """Return the entry that records the hashes of a file, or of all files of a folder.

        files : the file and all that belong to it. Raises ResourceError if there is no such entry: only files with
        recorded source and hash may enter a frozen run.
        """
        if path.is_dir() or len(files) > 1:
            top = path if path.is_dir() else path.parent
            files = [file for _, file in tree_files(path)] if path.is_dir() else files
            held = {file.relative_to(top).as_posix(): content_digest(file) for file in files}
            for resource in self.entries("checkpoint"):
                recorded = {file.name: file.sha256 for file in resource.files}
                if resource.folder and (recorded == held or (top != path and held.items() <= recorded.items())):
                    return resource
            if hidden := [name for name in held if path.is_dir() and top / name not in folder_files(path)]:
                raise ResourceError(
                    f"{path} holds {hidden[0]}, which is hidden or unfinished: the registry records no such file, so "
                    "the folder cannot enter a frozen run. Remove that file, or keep it elsewhere."
                )
            files_have = f"the {len(held)} files of {path} have hashes"
        elif match := self.by_sha256(content_digest(path)):
            return match[0]
        else:
            files_have = f"{path} has the SHA-256 {content_digest(path)},"
        raise ResourceError(
            f"{files_have} that no entry of the registry records. A frozen run takes only what is recorded with source "
            f"and hash. 'asdcore registry add {path}' records it; with --own, as your own."
        )


def open_registry(folder: Path | None = None) -> Registry:
    """Read the registry in ``folder``, else in ``$ASDCORE_REGISTRY``, else the shipped one and the user's own."""
    chosen = folder or path_of_variable("ASDCORE_REGISTRY")
    if chosen is not None:
        if not chosen.is_dir():
            raise ResourceError(
                f"The registry {chosen} is not a folder. Give a folder of .toml files, or leave it out."
            )
        return Registry(_read(chosen), chosen)
    own = default_store() / "registry"
    entries = _read(shipped_registry())
    for identifier, resource in _read(own).items():
        shipped = entries.get(identifier)
        if shipped and not completes(resource, shipped):
            raise ResourceError(
                f"{own / identifier}.toml: asdcore ships a different entry of that id. An entry of "
                f"your own may fill in missing sizes and hashes of a shipped one; for anything else, rename the file."
            )
        entries[identifier] = resource
    return Registry(dict(sorted(entries.items())), own)


def shipped_registry() -> Path:
    """Return the folder of the entries that come with asdcore."""
    package = Path(__file__).parents[1]
    inside = package / "registry"
    # A wheel carries it inside the package; in a checkout it is the folder beside it.
    return inside if inside.is_dir() else package.parent / "registry"


def completes(own: Resource, shipped: Resource) -> bool:
    """Whether one entry equals the shipped one, except for sizes and hashes that the shipped one leaves open."""
    if len(own.files) != len(shipped.files):
        return False
    hashes = ("size", "sha256", "md5")
    files = []
    for mine, theirs in zip(own.files, shipped.files, strict=True):
        open_ = [key for key in hashes if getattr(theirs, key) is None]
        filled = {key: getattr(mine, key) for key in open_}
        files.append(theirs.model_copy(update=filled | ({"evidence": mine.evidence} if open_ else {})))
    # Measured facts of the shipped one may be newer than a copy of them.
    return shipped.model_copy(update={"files": tuple(files), "facts": own.facts}) == own


def resource_folder(identifier: str) -> Path:
    """Return the folder for the files of a resource, whether it exists or not."""
    return (path_of_variable("ASDCORE_RESOURCES") or default_store() / "resources") / identifier


def locate(identifier: str, registry: Registry | None = None) -> Path:
    """Return the file of a checkpoint (its folder if the entry says ``folder``), every hash checked.

    Raises ResourceError if a file is missing, has no recorded SHA-256 or another one, or if the folder holds a file
    that the entry lacks. A file that does not change is read once per process.
    """
    resource = (registry or open_registry()).entry(identifier)
    if resource.kind != "checkpoint":
        raise ResourceError(f"{identifier} is a {resource.kind}, not a checkpoint. Fetch it with 'asdcore data fetch'.")
    folder = resource_folder(identifier)
    for file in resource.files:
        if not (folder / file.name).is_file():
            raise ResourceError(f"{file.name} of {identifier} is not in {folder}. {how_to_get(resource, file)}")
        if file.sha256 is None:
            raise ResourceError(
                f"{folder / file.name} cannot be trusted: its SHA-256 is not recorded. If you know where it comes "
                f"from, 'asdcore registry add {folder / file.name} --id {identifier}' records the hash it has now."
            )
        if problem := difference(file, folder / file.name):
            raise ResourceError(f"{problem} Remove it with 'rm {folder / file.name}', and get it again.")
    names = {file.name for file in resource.files}
    if resource.folder and (
        strange := [file for file in folder_files(folder) if file.relative_to(folder).as_posix() not in names]
    ):
        raise ResourceError(
            f"{strange[0]} is not a file of {identifier}, but might be loaded in place of one. Remove it; allowed are "
            f"{', '.join(sorted(names))}."
        )
    return folder if resource.folder else folder / resource.files[0].name


def difference(file: File, path: Path) -> str | None:
    """Return how a file differs from its record in the registry (size, SHA-256, else MD5), or None."""
    size = path.stat().st_size
    if file.size not in (None, size):
        return f"{path} has {size:,} bytes, the registry records {file.size:,}."
    if file.sha256 and (digest := content_digest(path)) != file.sha256:
        return f"{path} has the SHA-256 {digest}, the registry records {file.sha256}."
    if file.md5 and not file.sha256 and (digest := md5_digest(path)) != file.md5:
        return f"{path} has the MD5 {digest}, the registry records {file.md5}."
    return None


def can_fetch(resource: Resource, file: File) -> bool:
    """Whether a program may download a file: from an address, and for a checkpoint with a hash to check it by."""
    return resource.url(file) is not None and (file.check != "none" or resource.kind == "dataset")


def how_to_get(resource: Resource, file: File) -> str:
    """Return what a person must do to get a file of a resource."""
    if can_fetch(resource, file):
        return (
            f"'asdcore registry fetch {resource.id}' downloads it; a file that you have already is put in place with "
            f"'asdcore registry add FILE --id {resource.id}'."
        )
    if resource.own:
        return f"It is your own: put it in place with 'asdcore registry add {file.name} --id {resource.id}'."
    reason = "no address to download it from" if not resource.url(file) else "no hash to check it by"
    return (
        f"The registry has {reason}: get it from {resource.url(file) or resource.source}, then put it in place with "
        f"'asdcore registry add {file.name} --id {resource.id}'."
    )


def content_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, or over the names and hashes of a folder's files.

    ``sha256-folder-v1``: SHA-256 over, for the files in order of their relative POSIX paths, hidden and unfinished ones
    apart, the path, a zero byte, the hex SHA-256 and a line feed. A file that does not change is read once per process.
    """
    if path.is_dir():
        return files_digest(path, folder_files(path))
    return file_digest(path) if (state := _state(path)) is None else _known_digest(path.absolute(), state)


def files_digest(top: Path, files: Iterable[Path]) -> str:
    """Return the digest of some files below a folder, by the rule of :func:`content_digest`."""
    names = sorted((file.relative_to(top).as_posix(), file) for file in files)
    return hashlib.sha256("".join(f"{name}\0{content_digest(file)}\n" for name, file in names).encode()).hexdigest()


def folder_files(folder: Path) -> list[Path]:
    """Return the files of a folder, sorted, without hidden and unfinished ones."""
    files: list[Path] = []
    for place, folders, names in os.walk(folder):  # it copes with folders that vanish meanwhile
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in files if path.is_file() and path.suffix != PART)


def md5_digest(path: Path) -> str:
    """Return the MD5 (hex) of a file, for downloads whose publisher gives no SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def suggestion(name: str, entries: dict[str, Resource]) -> str:
    """Return "Did you mean ...? ", or nothing if no id is close."""
    close = difflib.get_close_matches(name, entries, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}? " if close else ""


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and time of change, which identify an unchanged file; None if it changed just now."""
    about = path.stat()
    return None if time.time_ns() - about.st_mtime_ns < FRESH else (about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _known_digest(path: Path, state: tuple[int, int]) -> str:
    return file_digest(path)


def _read(folder: Path) -> dict[str, Resource]:
    """Return the entries of a folder, none if it does not exist; raises ResourceError with all problems."""
    entries, problems = {}, []
    for path in sorted(folder.glob("*.toml")):
        try:
            state = _state(path) if path.is_file() else None
            entries[path.stem] = load_entry(path) if state is None else _known_entry(path.absolute(), state)
        except ResourceError as error:
            problems.append(str(error))
    if problems:
        raise ResourceError("\n".join(problems))
    return entries


@functools.lru_cache(maxsize=1024)
def _known_entry(path: Path, state: tuple[int, int]) -> Resource:
    return load_entry(path)
