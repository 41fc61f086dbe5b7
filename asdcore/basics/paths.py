"""Paths as a person gives them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from asdcore.errors import AsdcoreError

SOUNDS = (".wav", ".flac")
"""The endings of the audio files that datasets hold."""

MEASURED = (".tdms", ".uff", ".unv", ".mf4", ".mdf", ".mat", ".h5", ".hdf5")
"""The endings of loggers' files (:mod:`asdcore.data.formats`)."""

TABLES_OF_SAMPLES = (".csv",)
"""The endings of loggers' files that may as well be tables of something else: they are recordings only if named so."""

UNREAD = (".aac", ".aif", ".aiff", ".m4a", ".mp3", ".ogg", ".opus", ".raw", ".wma", *TABLES_OF_SAMPLES)
"""Endings of sound that is not heard in a folder, so that somebody can be told."""

RECORDINGS = (*SOUNDS, *MEASURED)
"""The endings that a recording may have."""

DEEPEST = 255
"""Folders inside one another in a path that is given."""

REFUSED = {
    errno.ELOOP: "a link that leads round in circles",
    errno.ENAMETOOLONG: "which is longer than a name may be here",
}
"""What is wrong with a path, by the number of the system's error."""


def endless(path: Path) -> str:
    """Return what a path leads to if reading it may never end, else "".

    A pipe waits for somebody who writes, and some devices go on for ever.

    Examples
    --------
    >>> from pathlib import Path
    >>> from asdcore.basics.paths import endless
    >>> endless(Path("/dev/zero")), endless(Path("/"))
    ('device', '')
    """
    if path.is_fifo():
        return "pipe"
    return "device" if path.is_char_device() or path.is_block_device() else ""


def finite(path: Path) -> Path:
    """Return a path that is to be read; raises OSError for one that is :func:`endless`."""
    if what := endless(path):
        raise OSError(errno.EINVAL, f"it is a {what}, not a file", str(path))
    return path


def is_recording(name: str, *, named: bool = False) -> bool:
    """Return whether a file is a recording that asdcore reads, by its ending alone.

    Parameters
    ----------
    name : str
        The file's name.
    named : bool
        Whether a person named this very file as a recording: then a table of numbers (.csv) is one.

    Returns
    -------
    bool

    Examples
    --------
    >>> [asdcore.is_recording(name) for name in ("hall 2/pump.WAV", "notes.txt", "pump.csv")]
    [True, False, False]
    >>> asdcore.is_recording("pump.csv", named=True)
    True
    """
    return name.lower().endswith((*RECORDINGS, *TABLES_OF_SAMPLES) if named else RECORDINGS)


def walked(root: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder below a root, itself first, and the names of its files; hidden ones are left out.

    Folders come in the order of their names.
    Links to folders are followed, but for those that lead round in circles. Paths are text: there may be a million.
    """
    ways: dict[Path, tuple[Path, ...]] = {}
    for folder, folders, names in os.walk(os.fspath(root), followlinks=True):
        here, deeper = Path(folder), []
        way = ways.pop(here, ())
        for name in folders:
            hosts = (*way, here.resolve()) if (here / name).is_symlink() else way
            if not name.startswith(".") and (hosts is way or not _is_above((here / name).resolve(), hosts)):
                deeper.append(name)
                ways |= {here / name: hosts} if hosts else {}
        folders[:] = sorted(deeper)
        yield folder, [name for name in names if not name.startswith(".")]


def files_below(root: Path) -> list[Path]:
    """Return every file below a root, sorted, as :func:`walked` finds them."""
    return sorted(Path(folder) / name for folder, names in walked(root) for name in names)


def _is_above(folder: Path, others: Iterable[Path]) -> bool:
    """Whether a folder is one of others, or holds one of them."""
    return any(other.is_relative_to(folder) for other in others)


def given_path(path: str | Path, what: str) -> Path:
    """Return a path that was given as ``what``, such as "data"; AsdcoreError if it cannot name a file or folder.

    An empty text, as an unset variable of a shell leaves it, would otherwise mean the working folder. Of a path that no
    library could take, the first would say so in words of its own.
    """
    if not str(path):
        raise AsdcoreError(f"{what} is empty. Name a file or folder; '.' is the working folder.")
    if "\0" in str(path):
        raise AsdcoreError(f"{what} is {str(path)!r}, and no path holds a zero byte. Name a file or folder.")
    if trouble := _trouble(Path(path)):
        raise AsdcoreError(f"{what} is {str(path)!r}, {trouble}. Name another file or folder.")
    return Path(path)


def _trouble(path: Path) -> str:
    """Say why the system, or a library that takes paths as text, would refuse a path; "" if neither would."""
    here = path.absolute()
    if len(here.parts) > DEEPEST:
        return f"which lies {len(here.parts):,} folders deep; {DEEPEST} are allowed"
    try:
        here.stat()
    except OSError as error:
        return REFUSED.get(error.errno or 0, "")
    return ""


def check_utf8(path: Path, what: str) -> Path:
    """Return a path below which files are written or recorded; AsdcoreError if it is not text in UTF-8."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise AsdcoreError(
            f"{what} is {str(path.absolute())!r}, whose name is not text in UTF-8. Rename the folder, or give a "
            "link to it with a name that is."
        ) from None
    return path


def path_of_variable(name: str) -> Path | None:
    """Return the path in an environment variable, None if it is not set; AsdcoreError if it is empty."""
    path = os.environ.get(name)
    if path == "":
        raise AsdcoreError(f"${name} is empty. Name a folder with it, or type 'unset {name}' to use the default.")
    return None if path is None else given_path(path, f"${name}")


def places(**given: str | Path | None) -> dict[str, Path | None]:
    """Return the paths that were given, by name, and None for the others: ``places(data=None, run="r")``."""
    return {what: None if path is None else given_path(path, what) for what, path in given.items()}


def path_or(path: str | Path | None, what: str, default: Path) -> Path:
    """Return a path that was given, else the default."""
    return default if path is None else given_path(path, what)
