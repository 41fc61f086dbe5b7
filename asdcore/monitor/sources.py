"""What a monitor listens to: one long recording, a folder that fills, or raw samples on a pipe.

A source gives recordings, one after another, each as blocks of sound. What is wrong with one is a trouble, and the
monitor goes on with the next: a plant does not stop because one file was cut short.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.paths import SOUNDS
from asdcore.data.audio import opened
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
    whether the source has no other.
    """

    name: str
    sample_rate: int
    channels: int
    blocks: Callable[[int], Iterator[Sound]]
    sha256: str = ""
    stamp: str = ""
    waiting: int = 0
    alone: bool = False


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
        """Yield recordings and troubles, without those in ``done``: {name: stamp of what was heard}."""
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
        Seconds for which a file must not have changed, so that it is not still being written.
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

    def recordings(self, done: Mapping[str, str]) -> Iterator[Recording | Trouble]:
        """Yield new recordings as they come; the folder may vanish and come back."""
        seen: dict[str, str] = {}
        is_gone = False
        while True:
            if (gone := not self.path.is_dir()) and not is_gone:
                yield Trouble(f"{self.path} is not there; waiting for it to come back")
            is_gone = gone
            started = time.monotonic()
            files, unsettled = self._settled(done, seen)
            for i, file in enumerate(files):
                given = self._opened(file, len(files) - i - 1)
                if given is not None:
                    seen[file.name] = file.stamp
                    yield given
                else:
                    unsettled = True
            if self.once and not unsettled and not gone:
                return
            # A folder of very many files is not looked through all the time.
            self.sleep(max(self.poll, 10 * (time.monotonic() - started) if not files else self.poll))

    def _opened(self, file: _New, waiting: int) -> Recording | Trouble | None:
        """Return a recording, its trouble, or None if it may become one yet."""
        try:
            return recording_of(file.path, file.name, file.stamp, waiting)
        except DataError as error:
            if file.still < self.patience and not self.once:
                return None
            return Trouble(f"{error}; it is passed over", passed_over=file.name, stamp=file.stamp)

    def _settled(self, done: Mapping[str, str], seen: Mapping[str, str]) -> tuple[list[_New], bool]:
        """Return new files that no longer change, and whether others still do."""
        settled, unsettled = [], False
        now = time.time()
        for folder, folders, names in os.walk(self.path, onerror=None):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.lower().endswith(SOUNDS) or name.startswith("."):
                    continue
                path = Path(folder) / name
                relative = path.relative_to(self.path).as_posix()
                try:
                    changed, stamp = path.stat().st_mtime, stamp_of(path)
                except OSError:
                    continue  # it has just gone
                if stamp in (seen.get(relative), done.get(relative)):
                    continue
                # A clock that jumps may put a change into the future: that is no reason to wait for ever.
                if 0 <= now - changed < self.settle:
                    unsettled = True
                else:
                    settled.append(_New(changed, relative, path, stamp, abs(now - changed)))
        return sorted(settled), unsettled


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
    stat = path.stat()
    return f"{stat.st_mtime_ns}-{stat.st_size}"


def recording_of(path: Path, name: str, stamp: str, waiting: int = 0, *, alone: bool = False) -> Recording:
    """Return the recording in a file; raises DataError, naming the file, if it is none or cut short."""
    with opened(path) as (sound, facts):
        rate = facts.sample_rate
        channels = facts.channels
        del sound

    def blocks(start: int) -> Iterator[Sound]:
        with opened(path) as (sound, now):
            if now.sha256 != facts.sha256:
                raise DataError(f"{path.name}: changed while it was heard")
            sound.seek(start)
            size = max(1, int(BLOCK_S * rate))
            while len(block := sound.read(size, dtype="float32", always_2d=True)):
                yield np.ascontiguousarray(block.T)

    return Recording(name, rate, channels, blocks, facts.sha256, stamp, waiting, alone)
