"""Download files of the registry; only those with the recorded size and hash are kept.

A download grows in ``<file>.part``; after an interrupt the next call continues it. It is renamed if its size and hash
are the recorded ones, else deleted with a message. No credentials are sent.

The SHA-256 is checked, or the MD5 if the publisher gives nothing else. A dataset's archive without either is trusted on
first use, if all of it is readable: its SHA-256 is written to ``<file>.sha256`` and must stay the same. A checkpoint
without any hash is not downloaded.
"""

from __future__ import annotations

import errno
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from asdcore.errors import ResourceError
from asdcore.progress import Progress, Silent
from asdcore.resources.entries import File, Resource
from asdcore.resources.registry import PART, can_fetch, content_digest, difference, how_to_get, resource_folder
from asdcore.store.disk.atomic import disk_trouble, write_text
from asdcore.store.disk.file_locks import Lock, take
from asdcore.store.disk.zips import unreadable
from asdcore.version import __version__

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further try; received bytes start the count anew."""

FIRST = ".sha256"
"""The ending of the file that holds the SHA-256 of a file's first download, beside that file."""

TIMEOUT = 60.0
BLOCK = 1 << 20
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which another try may succeed."""


def fetch(resource: Resource, progress: Progress | None = None, files: tuple[File, ...] = ()) -> list[Path]:
    """Download the missing files of a resource, or of ``files`` of it; returns the paths of all.

    Raises ResourceError if a file is not available, or is not the one that the registry records.
    """
    shown = progress or Silent()
    paths = {file: resource_folder(resource.id) / file.name for file in files or resource.files}
    for file, path in paths.items():
        if not path.is_file() and (path.exists() or path.is_symlink()):
            raise ResourceError(
                f"{path} is a folder, a pipe or a broken link, in the place of {file.name}. Move it away, "
                "then fetch again."
            )
    missing = [file for file, path in paths.items() if not path.is_file()]
    for file in missing:
        if not can_fetch(resource, file):
            raise ResourceError(f"{file.name} of {resource.id} cannot be fetched. {how_to_get(resource, file)}")
    for file, path in paths.items():
        if file in missing:
            _fetch(str(resource.url(file)), file, path, shown)
        else:
            _check_here(file, path)
    return list(paths.values())


def _fetch(url: str, file: File, path: Path, progress: Progress) -> None:
    """Download one file, check it, and move it to its place; a lock keeps other processes away."""
    part = path.with_name(path.name + PART)
    with disk_trouble(path), progress.stage(file.name, file.size or 0) as advance:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _held(part) as (lock, target):
            if path.is_file():  # another process was faster
                lock.remove()
                _check_here(file, path)
                return
            try:
                download(url, target, file.size, advance)
            except BaseException:
                if not target.tell():
                    lock.remove()
                raise
            if problem := difference(file, part) or (_unlike_the_first(part, path) if file.check == "none" else None):
                lock.remove()
                raise ResourceError(
                    f"The download from {url} was deleted, since it is not the recorded file: {problem}"
                )
            part.replace(path)
    if file.check == "md5":
        progress.note(f"{file.name} was checked by its MD5 alone: no SHA-256 of it is recorded.")
    elif file.check == "none":
        progress.note(f"{file.name} has no recorded hash: this download is trusted, and later ones must be the same.")


def _check_here(file: File, path: Path) -> None:
    if problem := difference(file, path):
        raise ResourceError(f"{problem} Remove it with 'rm {path}', and fetch it again.")


@contextmanager
def _held(part: Path) -> Iterator[tuple[Lock, IO[bytes]]]:
    """Open a partial download at its end, locked for this process; links are not followed."""
    try:
        lock = take(part)
    except OSError as error:
        if not part.is_symlink() and error.errno not in (errno.EINVAL, errno.EISDIR):
            raise
        raise ResourceError(
            f"{part} is a folder, a link or not a regular file, so it is not written to. Remove it with 'rm "
            f"{'-r ' if part.is_dir() and not part.is_symlink() else ''}{part}', then fetch again."
        ) from error
    if lock is None:
        raise ResourceError(f"Another process is downloading to {part}. Wait for it, then run this again.")
    with open(lock.descriptor, "r+b") as target:  # noqa: PTH123  # closing it releases the lock
        target.seek(0, os.SEEK_END)
        yield lock, target


def _unlike_the_first(part: Path, path: Path) -> str | None:
    """Return how a file without a recorded hash differs from its first download, whose hash is noted.

    An archive is noted only if all of it is readable: a damaged first download must not bar a later good one.
    """
    if trouble := unreadable(part) if path.suffix == ".zip" else None if part.stat().st_size else "it is empty":
        return f"{part.stat().st_size:,} bytes that are not a {path.suffix or 'file'}, or damaged ({trouble})."
    seen, digest = path.with_name(f"{path.name}{FIRST}"), content_digest(part)
    if not seen.is_file():
        write_text(seen, f"{digest}  {path.name}\n")
    before = seen.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    return (
        None
        if before == digest
        else (
            f"the first download had the SHA-256 {before} ({seen}), this one {digest}. If the first was wrong, remove "
            f"{seen.name} with 'rm {seen}' and fetch again"
        )
    )


def download(url: str, target: IO[bytes], size: int | None, advance: Callable[[int], None]) -> None:
    """Download into an open file, continuing after the bytes that it holds; tries again if the connection breaks.

    size : the expected number of bytes, None if unknown; reading stops beyond it. advance : called with the number of
    new bytes.
    """
    advance(target.tell())
    waits = iter(WAITS)
    while True:
        before = target.tell()
        try:
            return _receive(url, target, size, advance)
        except urllib.error.HTTPError as error:
            reason = f"HTTP status {error.code} ({error.reason})"
            error.close()
            if error.code not in PASSING:
                raise ResourceError(
                    f"{url} cannot be downloaded: {reason}. If it has moved, correct the address in the registry "
                    f"entry; a file that you have already is put in place with 'asdcore registry add FILE'."
                ) from error
        except _BrokenError as error:
            reason = str(error)
        if target.tell() > before:
            waits = iter(WAITS)
        if (wait := next(waits, None)) is None:
            raise ResourceError(
                f"{url} cannot be downloaded: {reason}. {target.tell():,} bytes are kept: the same command goes on "
                f"from there."
            )
        time.sleep(wait)


class _BrokenError(Exception):
    """The connection broke or was never established."""


def _receive(url: str, target: IO[bytes], size: int | None, advance: Callable[[int], None]) -> None:
    """Request the missing bytes once and write them; raises _BrokenError if some are still missing."""
    start = target.tell()
    if start == size:
        return
    try:
        response = _ask(url, start)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()  # the server has no bytes after those here: they are the complete file, or of another one
        if _total(error.headers) != start:
            _empty(target, advance)
            _receive(url, target, size, advance)
        return
    with response:
        if response.status == 206 and not _starts_at(response.headers, start):
            _empty(target, advance)
            raise _BrokenError("the server sent another part of the file than requested")
        if start and response.status != 206:
            start = _empty(target, advance)
        declared = _number(response.headers.get("Content-Length"))
        whole = size if declared is None else start + declared
        for block in _blocks(response):
            target.write(block)
            target.flush()
            advance(len(block))
            if size is not None and target.tell() > size:
                return
    if whole is not None and target.tell() < whole:
        raise _BrokenError(f"the connection ended after {target.tell():,} of {whole:,} bytes")


def _ask(url: str, start: int) -> Any:
    headers = {"User-Agent": f"asdcore/{__version__}"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return _OPENER.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError:
        raise
    except (ValueError, OverflowError, http.client.InvalidURL) as error:  # an invalid host or port
        raise ResourceError(
            f"{url} cannot be downloaded: the address is invalid ({error}). Correct it in the registry entry."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(
                BLOCK
            )  # the bytes received so far, not a full block: a connection may stall within one
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _BrokenError(str(error) or type(error).__name__) from error
        if not block:
            return
        yield block


def _empty(target: IO[bytes], advance: Callable[[int], None]) -> int:
    """Empty a partial download: it is not the beginning of the file that comes."""
    advance(-target.tell())
    target.truncate(0)
    return target.seek(0)


def _starts_at(headers: Any, start: int) -> bool:
    return str(headers.get("Content-Range", "")).removeprefix("bytes ").startswith(f"{start}-")


def _total(headers: Any) -> int | None:
    return _number(str(headers.get("Content-Range", "")).rpartition("/")[2])


def _number(text: str | None) -> int | None:
    """Return the number of bytes in a server's header, None if it is not a number."""
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Raise ResourceError if https redirects to anything else."""
        allowed = ("https",) if req.type == "https" else ("http", "https")
        try:
            scheme = urlsplit(newurl).scheme
        except ValueError:
            scheme = ""
        if scheme not in allowed:
            raise ResourceError(f"{req.full_url} leads to {newurl}; {' or '.join(allowed)} is allowed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
