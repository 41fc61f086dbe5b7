"""Sound of which stretches are read: a clip in memory or in a temporary file, and sound that is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.encoding.spooled_sound import SpooledSound, temporary_file, temporary_folder
from asdcore.contract.long_sound import Sound
from asdcore.data.recordings.audio import AudioFacts, decode, decode_new, decoded_in_blocks, is_long, resample
from asdcore.errors import DataError

Audio = NDArray[np.float32]

ELSEWHERE = "another one with TMPDIR=FOLDER"


@dataclass(frozen=True)
class HeldSound:
    """Sound in memory, (n_channels, n_samples) float32."""

    audio: Audio

    def __len__(self) -> int:
        """Return how many samples it has."""
        return int(self.audio.shape[1])

    def read(self, start: int, stop: int) -> Audio:
        """Return (n_channels, stop - start); 0 beyond the ends."""
        first, last = min(max(0, start), len(self)), min(max(0, stop), len(self))
        if (first, last) == (start, stop):
            return self.audio[:, start:stop]
        samples = np.zeros((len(self.audio), stop - start), np.float32)
        samples[:, first - start : last - start] = self.audio[:, first:last]
        return samples


@dataclass(frozen=True)
class RepeatedSound:
    """Sound that is repeated, or cut, to ``n_samples``."""

    sound: Sound
    n_samples: int

    def __len__(self) -> int:
        """Return how many samples it has."""
        return self.n_samples

    def read(self, start: int, stop: int) -> Audio:
        """Return (n_channels, stop - start); 0 beyond the ends."""
        parts, at, end = [], max(0, start), min(stop, self.n_samples)
        while at < end:
            within = at % len(self.sound)
            upto = min(len(self.sound), within + end - at)
            parts.append(self.sound.read(within, upto))
            at += upto - within
        samples = np.concatenate(parts, axis=1) if parts else self.sound.read(0, 0)
        before = min(max(0, -start), stop - start)
        return np.pad(samples, ((0, 0), (before, stop - start - before - samples.shape[1])))


@contextmanager
def recorded_sound(path: Path, sha256: str | None = None) -> Iterator[tuple[Sound, AudioFacts]]:
    """Give the sound of a file and its facts; a long recording lies in a temporary file meanwhile.

    Raises DataError if it cannot be decoded, or is not the recording of a digest that is given, and StoreError if the
    disk of temporary files is full.
    """
    if is_long(path):
        with _spooled(path, sha256, None) as spooled:
            yield spooled
    else:
        audio, facts = decode_new(path)
        _check_digest(path, facts, sha256)
        yield HeldSound(audio), facts


@contextmanager
def learnt_sound(path: Path, sha256: str | None, sample_rate: int | None = None) -> Iterator[tuple[Sound, int]]:
    """Give the sound of a train normal at a sample rate, by default its own, and that rate.

    Raises DataError if it cannot be decoded, or is not the recording of this digest.
    """
    if is_long(path):
        with _spooled(path, sha256, sample_rate) as (sound, facts):
            yield sound, sample_rate or facts.sample_rate
    else:
        audio, rate = decode(path, sha256)
        wanted = sample_rate or rate
        yield HeldSound(np.stack([resample(channel, rate, wanted) for channel in audio])), wanted


def _check_digest(path: Path, facts: AudioFacts, sha256: str | None) -> None:
    if sha256 not in (None, facts.sha256):
        raise DataError(f"{path}: changed since it was indexed. Restore or replace the file, then run again.")


@contextmanager
def _spooled(path: Path, sha256: str | None, sample_rate: int | None) -> Iterator[tuple[SpooledSound, AudioFacts]]:
    """Decode a recording, resampled, into a temporary file."""
    with (
        TemporaryDirectory(prefix="asdcore-explain-") as temporary,
        temporary_folder(Path(temporary), ELSEWHERE) as folder,
        temporary_file(folder) as file,
    ):
        with decoded_in_blocks(path) as (facts, blocks):
            _check_digest(path, facts, sha256)
            sound = SpooledSound(file, facts.sample_rate, sample_rate or facts.sample_rate)
            done = 0
            for block in blocks:
                if len(block):  # the last one may be empty
                    done += len(block)
                    sound.append(np.ascontiguousarray(block.T), last=done == facts.n_samples)
        yield sound, facts
