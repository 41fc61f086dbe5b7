"""Downloads: resumed where they broke off, checked against the registry, and kept only if they are what it records.

A download grows in ``<file>.part``, which an interrupt leaves for the next call to go on with, and is renamed when its
size and hash are the recorded ones; anything else is deleted and named. No credentials are sent.

What is checked: the SHA-256; where the publisher gives an MD5 alone, that; a dataset's archive without either is
trusted on first use, if all of it can be read: its SHA-256 is written to ``<file>.sha256``, and must be the same ever
after. A checkpoint without any hash is not downloaded.
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
from asdcore.store.atomic import disk_trouble, write_text
from asdcore.store.file_locks import Lock, take
from asdcore.store.zips import unreadable
from asdcore.version import __version__

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further try; any bytes that came start the count anew."""

FIRST = ".sha256"
"""What a file's name is followed by, of the file beside it that holds the hash with which it first came."""

TIMEOUT = 60.0
BLOCK = 1 << 20
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes that may be different in a moment."""


def fetch(resource: Resource, progress: Progress | None = None, files: tuple[File, ...] = ()) -> list[Path]:
    """Download the files of a resource (or some of them) that are not there yet; returns the paths of all.

    Raises ResourceError where a file cannot be had, or is not the one that the registry records.
    """
    shown = progress or Silent()
    paths = {file: resource_folder(resource.id) / file.name for file in files or resource.files}
    for file, path in paths.items():
        if not path.is_file() and (path.exists() or path.is_symlink()):
            raise ResourceError(
                f"{path} is a folder, a pipe or a link that leads nowhere, in the place of {file.name}. Move it away, "
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
    """Download one file to its place, checked; nobody else touches it until it has its name."""
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
                raise ResourceError(f"What {url} gave was deleted, it is not what is recorded: {problem}")
            part.replace(path)
    if file.check == "md5":
        progress.note(f"{file.name} was checked by its MD5 alone: no SHA-256 of it is recorded.")
    elif file.check == "none":
        progress.note(f"{file.name} has no recorded hash: it is trusted as it came, and must be the same ever after.")


def _check_here(file: File, path: Path) -> None:
    if problem := difference(file, path):
        raise ResourceError(f"{problem} Remove it with 'rm {path}', and fetch it again.")


@contextmanager
def _held(part: Path) -> Iterator[tuple[Lock, IO[bytes]]]:
    """Open what is here of a download, at its end, for this process alone; what a link leads to is not touched."""
    try:
        lock = take(part)
    except OSError as error:
        if not part.is_symlink() and error.errno not in (errno.EINVAL, errno.EISDIR):
            raise
        raise ResourceError(
            f"{part} is a folder, a link or no regular file of its own, and is not written to. Remove it with 'rm "
            f"{'-r ' if part.is_dir() and not part.is_symlink() else ''}{part}', then fetch again."
        ) from error
    if lock is None:
        raise ResourceError(f"Another process is downloading to {part}. Wait for it, then run this again.")
    with open(lock.descriptor, "r+b") as target:  # noqa: PTH123  # closing it lets go of the lock
        target.seek(0, os.SEEK_END)
        yield lock, target


def _unlike_the_first(part: Path, path: Path) -> str | None:
    """Say how a file without a recorded hash differs from the one that came first; note the hash of that one.

    An archive is only noted when all of it can be read: a first one that is damaged must not bar a sound one.
    """
    if trouble := unreadable(part) if path.suffix == ".zip" else None if part.stat().st_size else "it is empty":
        return f"{part.stat().st_size:,} bytes that are no {path.suffix or 'file'}, or damaged ({trouble})."
    seen, found = path.with_name(f"{path.name}{FIRST}"), content_digest(part)
    if not seen.is_file():
        write_text(seen, f"{found}  {path.name}\n")
    before = seen.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    return (
        None
        if before == found
        else (
            f"the first download had the SHA-256 {before} ({seen}), this one {found}. If the first was wrong, remove "
            f"{seen.name} with 'rm {seen}' and fetch again"
        )
    )


def download(url: str, target: IO[bytes], size: int | None, advance: Callable[[int], None]) -> None:
    """Download into an open file, going on after the bytes that it holds; tries again where the connection breaks.

    ``size`` is the number of bytes expected, if known; reading stops once there are more. ``advance`` is told of bytes.
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
    """The connection broke, or never came about."""


def _receive(url: str, target: IO[bytes], size: int | None, advance: Callable[[int], None]) -> None:
    """Ask once for what is still missing and write what comes; raises _BrokenError where some is missing still."""
    start = target.tell()
    if start == size:
        return
    try:
        response = _ask(url, start)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()  # there is nothing after the bytes that are here: they are all of the file, or none of it
        if _total(error.headers) != start:
            _empty(target, advance)
            _receive(url, target, size, advance)
        return
    with response:
        if response.status == 206 and not _starts_at(response.headers, start):
            _empty(target, advance)
            raise _BrokenError("the server gave another part of the file than was asked for")
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
    except (ValueError, OverflowError, http.client.InvalidURL) as error:  # a host or port that cannot be
        raise ResourceError(
            f"{url} cannot be downloaded: it is not an address, or leads to none ({error}). Correct it in the registry "
            "entry."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(BLOCK)  # what has come, not all of a block: a line may stall within each
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _BrokenError(str(error) or type(error).__name__) from error
        if not block:
            return
        yield block


def _empty(target: IO[bytes], advance: Callable[[int], None]) -> int:
    """Forget what is here: it is not the beginning of what comes."""
    advance(-target.tell())
    target.truncate(0)
    return target.seek(0)


def _starts_at(headers: Any, start: int) -> bool:
    return str(headers.get("Content-Range", "")).removeprefix("bytes ").startswith(f"{start}-")


def _total(headers: Any) -> int | None:
    return _number(str(headers.get("Content-Range", "")).rpartition("/")[2])


def _number(text: str | None) -> int | None:
    """Return a number of bytes that a server names; None where it is none."""
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Refuse what an https address may not lead to."""
        allowed = ("https",) if req.type == "https" else ("http", "https")
        try:
            scheme = urlsplit(newurl).scheme
        except ValueError:
            scheme = ""
        if scheme not in allowed:
            raise ResourceError(f"{req.full_url} leads to {newurl}; {' or '.join(allowed)} is allowed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
