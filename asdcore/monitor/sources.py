"""What a monitor listens to: one long recording, a folder that fills, or raw samples on a pipe.

A source gives recordings, one after another, each as blocks of sound. What is wrong with one is a trouble, and the
monitor goes on with the next: a plant does not stop because one file was cut short.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.paths import UNREAD, is_recording, walked
from asdcore.basics.recording_parts import recording_path
from asdcore.data.recordings.audio import opened
from asdcore.errors import DataError

Sound = NDArray[np.float32]
BLOCK_S = 10.0
"""Seconds of sound in a block of a file."""

STDIN = "stdin"


@dataclass(frozen=True)
class Recording:
    """A recording to listen to.

    name : what the journal calls it. blocks : gives its sound from a sample on, (n_channels, n) float32 each. sha256 :
    of its file, "" of a stream. stamp : as :func:`stamp_of`. waiting : how many recordings wait behind it. alone :
    whether the source has no other. unit : of its samples, "" if nothing says it.
    """

    name: str
    sample_rate: int
    channels: int
    blocks: Callable[[int], Iterator[Sound]]
    sha256: str = ""
    stamp: str = ""
    waiting: int = 0
    alone: bool = False
    unit: str = ""


class VanishedError(DataError):
    """A recording cannot be read any more: its disk or folder has gone, and may come back."""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong with a source, for the journal.

    passed_over : the recording that will not be heard unless it changes. stamp : of its file.
    """

    text: str
    passed_over: str | None = None
    stamp: str = ""


class Source(Protocol):
    """Gives recordings until it ends, if it ends."""

    def recordings(self, done: Mapping[str, str]) -> Iterator[Recording | Trouble]:
        """Yield recordings and troubles, without those in ``done``: {name: stamp of what was heard}.

        Whoever listens adds to ``done`` what was heard, or passed over. What was not added is given again.
        """
        ...


@dataclass(frozen=True)
class File:
    """One recording, of any length."""

    path: Path

    def recordings(self, done: Mapping[str, str]) -> Iterator[Recording | Trouble]:
        """Yield the recording; raises DataError if it is not one."""
        stamp = stamp_of(self.path)
        if done.get(self.path.name) != stamp:
            yield recording_of(self.path, self.path.name, stamp, alone=True)


class _New(NamedTuple):
    """A file that was not heard: when it last changed, its name, path and stamp, and for how long it has been still."""

    changed: float
    name: str
    path: Path
    stamp: str
    still: float


@dataclass
class Folder:
    """A folder that fills: new recordings in the order of their last change, each once, and again if it was replaced.

    Parameters
    ----------
    path : pathlib.Path
        The folder; recordings may lie in folders below it.
    once : bool
        End when everything that is there has been heard, instead of waiting for more.
    settle : float
        Seconds for which a file must not have changed, so that it is not still being written, by the clock of the day
        and by our own, so that no jump of the first makes a file look older. If its time lies in the future, by a clock
        that jumped or another machine's, it is watched for so long.
    patience : float
        Seconds after which a file that does not decode is passed over.
    sleep : callable
        Waits for some seconds.
    """

    path: Path
    once: bool = False
    settle: float = 2.0
    patience: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    poll: float = 1.0
    _ahead: float = field(default_factory=lambda: time.time() - time.monotonic())
    """By how much the clock of the day was ahead of our own, which never jumps, when we began (s)."""
    _watched: dict[str, tuple[str, float]] = field(default_factory=dict)
    """{file that has changed lately: its stamp, and since when it has it by our own clock}."""
    _unreadable: dict[str, str] = field(default_factory=dict)
    """{file that was told to be unreadable: its stamp}."""
    _unheard: dict[str, str] = field(default_factory=dict)
    """{ending of sound that is not read: the first such file, "" once it was told}."""

    def recordings(self, done: Mapping[str, str]) -> Iterator[Recording | Trouble]:
        """Yield new recordings as they come; the folder may vanish and come back."""
        is_gone = False
        while True:
            if (gone := not self.path.is_dir()) and not is_gone:
                yield Trouble(f"{self.path} is not there; waiting for it to come back")
            is_gone = gone
            started = time.monotonic()
            files, unsettled = self._settled(done)
            took = time.monotonic() - started
            yield from self._told_unheard()
            for i, file in enumerate(files):
                if not self.path.is_dir():
                    break
                given = self._opened(file, len(files) - i - 1)
                if given is not None:
                    yield given
                unsettled |= done.get(file.name) != file.stamp
            if self.once and not unsettled and self.path.is_dir():
                return
            # A folder of very many files is not looked through all the time.
            self.sleep(max(self.poll, 0 if files else 10 * took))

    def _told_unheard(self) -> Iterator[Trouble]:
        """Yield a trouble for each ending of sound that is not read, once."""
        for ending, name in self._unheard.items():
            if name:
                self._unheard[ending] = ""
                yield Trouble(f"{name}: files that end in {ending} are not heard; convert them to WAV or FLAC")

    def _opened(self, file: _New, waiting: int) -> Recording | Trouble | None:
        """Return a recording, its trouble, or None if it may become one yet, or has gone."""
        try:
            return recording_of(file.path, file.name, file.stamp, waiting)
        except DataError as error:
            if not file.path.exists():
                return None
            if not self.once and file.path.is_file() and not _is_readable(file.path):
                text = f"{error}; it is tried again"
                is_news = self._unreadable.get(file.name) != file.stamp
                self._unreadable[file.name] = file.stamp
                return Trouble(text) if is_news else None
            if file.still < self.patience and not self.once:
                return None
            return Trouble(f"{error}; it is passed over", passed_over=file.name, stamp=file.stamp)

    def _settled(self, done: Mapping[str, str]) -> tuple[list[_New], bool]:
        """Return new files that no longer change, and whether others still do."""
        settled, watched = [], {}
        for name, path in self._sounds():
            try:
                status = path.stat()
            except OSError:
                continue  # it has just gone
            stamp = _stamp(status)
            if stamp == done.get(name):
                continue
            still = min(time.time(), self._ahead + time.monotonic()) - status.st_mtime
            if not self.settle <= still:
                before, since = self._watched.get(name, ("", 0.0))
                watched[name] = stamp, since if before == stamp else time.monotonic()
                still = max(still, time.monotonic() - watched[name][1])
            if self.settle <= still:
                settled.append(_New(status.st_mtime, name, path, stamp, still))
        self._watched = watched
        return sorted(settled), len(watched.keys() - {file.name for file in settled}) > 0

    def _sounds(self) -> Iterator[tuple[str, Path]]:
        """Yield the name below the folder and the path of every file that is named as sound; no hidden ones."""
        for folder, names in walked(self.path):
            here = Path(folder)
            below = "" if here == self.path else f"{here.relative_to(self.path).as_posix()}/"
            for name in names:
                if is_recording(name):
                    yield below + name, here / name
                elif name.lower().endswith(UNREAD):
                    self._unheard.setdefault(Path(name).suffix.lower(), below + name)


@dataclass(frozen=True)
class Pipe:
    """Raw samples on a pipe, 16-bit little-endian whole numbers, channels interleaved.

    Parameters
    ----------
    stream : binary file
        Such as ``sys.stdin.buffer``.
    sample_rate, channels : int
        Hz, and how many; nothing in the stream says so.
    """

    stream: BinaryIO
    sample_rate: int
    channels: int

    def recordings(self, done: Mapping[str, str]) -> Iterator[Recording | Trouble]:
        """Yield one recording, which ends with the stream. What went by while nobody listened is gone."""
        yield Recording(STDIN, self.sample_rate, self.channels, self._blocks, alone=True)

    def _blocks(self, _: int) -> Iterator[Sound]:
        size = 2 * self.channels
        rest = b""
        while content := self.stream.read1(max(size, self.sample_rate // 10 * size)):  # type: ignore[attr-defined]
            content = rest + content
            whole = len(content) // size * size
            rest = content[whole:]
            samples = np.frombuffer(content[:whole], "<i2").reshape(-1, self.channels)
            yield np.ascontiguousarray(samples.T, dtype=np.float32) / np.float32(32768)


def stamp_of(path: Path) -> str:
    """Return what tells that a file has changed: the time of its last change and its size."""
    return _stamp(recording_path(path).stat())


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def recording_of(path: Path, name: str, stamp: str, waiting: int = 0, *, alone: bool = False) -> Recording:
    """Return the recording in a file; raises DataError, naming the file, if it is none or cut short."""
    with opened(path) as (_, facts):
        pass

    def blocks(start: int) -> Iterator[Sound]:
        try:
            with opened(path) as (sound, now):
                if now.sha256 != facts.sha256:
                    raise DataError(f"{path.name}: changed while it was heard")
                yield from _read(sound, start, facts.n_samples, max(1, int(BLOCK_S * facts.sample_rate)))
        except DataError as error:
            raise error if _is_readable(path) else VanishedError(f"{name} cannot be read any more") from error

    return Recording(name, facts.sample_rate, facts.channels, blocks, facts.sha256, stamp, waiting, alone, facts.unit)


def _is_readable(path: Path) -> bool:
    """Whether a file is there, and its disk gives all of its bytes."""
    try:
        with recording_path(path).open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True


def _read(sound: Any, start: int, n_samples: int, size: int) -> Iterator[Sound]:
    """Yield blocks of an open sound file from a sample on; raises DataError if they end before it should."""
    sound.seek(start)
    while len(block := sound.read(size, dtype="float32", always_2d=True)):
        start += len(block)
        yield np.ascontiguousarray(block.T)
    if start < n_samples:  # libsndfile takes a disk that fails for the end of the file
        raise DataError(f"its samples end at {start} of {n_samples}")
