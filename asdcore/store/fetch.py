"""Downloads: resumed where they broke off, checked against the registry, and kept only if they are what it records.

A download grows in ``<file>.part``, which an interrupt leaves for the next call to go on with, and is renamed when its
size and hash are the recorded ones; anything else is deleted and named. No credentials are sent.

What is checked: the SHA-256; where the publisher gives an MD5 alone, that; a dataset's archive without either is
trusted on first use: its SHA-256 is written to ``<file>.sha256``, and must be the same ever after. A checkpoint without
any hash is not downloaded.
"""

from __future__ import annotations

import fcntl
import http.client
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from asdcore import __version__
from asdcore.errors import ResourceError
from asdcore.progress import Progress, Silent
from asdcore.store.atomic import disk_trouble, write_text
from asdcore.store.entries import File, Resource
from asdcore.store.resources import PART, can_fetch, content_digest, difference, how_to_get, resource_folder

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further try; any bytes that came start the count anew."""

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
    missing = [file for file, path in paths.items() if not path.is_file()]
    for file in missing:
        if not can_fetch(resource, file):
            raise ResourceError(f"{file.name} of {resource.id} cannot be fetched. {how_to_get(resource, file)}")
    for file, path in paths.items():
        if file in missing:
            _fetch(str(resource.url(file)), file, path, shown)
        elif problem := difference(file, path):
            raise ResourceError(f"{problem} Remove it with 'rm {path}', and fetch it again.")
    return list(paths.values())


def _fetch(url: str, file: File, path: Path, progress: Progress) -> None:
    """Download one file to its place, checked."""
    part = path.with_name(path.name + PART)
    with disk_trouble(path), progress.stage(file.name, file.size or 0) as advance:
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            download(url, part, file.size, advance)
        except BaseException:
            if part.is_file() and not part.stat().st_size:
                part.unlink()
            raise
        if problem := difference(file, part) or (_unlike_the_first(part, path) if file.check == "none" else None):
            part.unlink()
            raise ResourceError(f"What {url} gave was deleted, it is not what is recorded: {problem}")
        part.replace(path)
    if file.check == "md5":
        progress.note(f"{file.name} was checked by its MD5 alone: no SHA-256 of it is recorded.")
    elif file.check == "none":
        progress.note(f"{file.name} has no recorded hash: it is trusted as it came, and must be the same ever after.")


def _unlike_the_first(part: Path, path: Path) -> str | None:
    """Say how a file without a recorded hash differs from the one that came first; note the hash of that one."""
    if not part.stat().st_size or (path.suffix == ".zip" and not zipfile.is_zipfile(part)):
        return f"{part.stat().st_size:,} bytes that are no {path.suffix or 'file'}, perhaps a page that says why."
    seen, found = path.with_name(f"{path.name}.sha256"), content_digest(part)
    if not seen.is_file():
        write_text(seen, f"{found}  {path.name}\n")
    before = seen.read_text(encoding="utf-8").split()[0]
    return None if before == found else f"the first download had the SHA-256 {before} ({seen}), this one {found}."


def download(url: str, part: Path, size: int | None, advance: Callable[[int], None]) -> None:
    """Download into ``part``, going on after the bytes that it holds; tries again where the connection breaks.

    ``size`` is the number of bytes expected, if known; reading stops once there are more. ``advance`` is told of bytes.
    """
    with part.open("ab") as target:
        _lock(target, part)
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


def _lock(target: IO[bytes], part: Path) -> None:
    try:
        fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResourceError(f"Another process is downloading to {part}. Wait for it, then run this again.") from None


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
        if start and not (response.status == 206 and _starts_at(response.headers, start)):
            start = _empty(target, advance)
        declared = response.headers.get("Content-Length", "")
        whole = start + int(declared) if declared.isdigit() else size
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
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, http.client.HTTPException) as error:
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
    with suppress(ValueError):
        return int(str(headers.get("Content-Range", "")).rpartition("/")[2])
    return None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Refuse what an https address may not lead to."""
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise ResourceError(f"{req.full_url} leads to {newurl}; {' or '.join(allowed)} is allowed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
