"""Decode, resample, hash: the only file that reads sound.

Audio is (n_channels, n_samples) float32 in [-1, 1]. A file that is damaged or cut short is refused, never read as far
as it goes: a shorter clip has other scores, and nobody would know why.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdcore.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".wav", ".flac")
"""The audio files that datasets hold."""

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
"""What may be inside them. A damaged file of another format is decoded as far as it goes without an error."""

OPEN_SIZE = 0x7FFFF000
"""From here on a size is one that a program writing into a pipe could not go back to fill in: it promises nothing."""

BLOCK = 1 << 20
"""Samples decoded at once: more than any clip has, since soundfile seeks after each read, and in FLAC that is slow."""


@dataclass(frozen=True)
class AudioFacts:
    """What is known of a clip before it is encoded. ``sha256`` is the digest of the file's bytes."""

    channels: int
    sample_rate: int
    n_samples: int
    sha256: str


def inspect_audio(path: Path, decoded: Container[str] = ()) -> AudioFacts:
    """Hash a file and read its header; raises DataError, naming the file, where :func:`decode` would.

    The header of a wav says how many bytes must follow, so one of whole-numbered samples is checked without decoding.
    FLAC shows its faults, and floating-point samples show a NaN, only when decoded; a file whose digest is among
    ``decoded`` has been through that before.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    with _opened(content, path.name) as sound:
        if sha256 not in decoded and (sound.format == "FLAC" or not sound.subtype.startswith("PCM_")):
            _samples(sound, path.name)
        return AudioFacts(sound.channels, sound.samplerate, sound.frames, sha256)


def decode(path: Path, sha256: str | None = None) -> tuple[NDArray[np.float32], int]:
    """Return ((n_channels, n_samples) float32, sample rate in Hz).

    With ``sha256`` the file must still have that digest: DataError where it changed since it was indexed.
    """
    try:
        audio, facts = decode_new(path)
        if sha256 not in (None, facts.sha256):
            raise DataError(f"{path.name}: changed since it was indexed")
    except DataError as error:
        what = str(error).removeprefix(path.name)
        raise DataError(f"{path}{what}. Restore or replace the file, then run again.") from error
    return audio, facts.sample_rate


def decode_new(path: Path) -> tuple[NDArray[np.float32], AudioFacts]:
    """Return the (n_channels, n_samples) float32 of a file nobody has looked at before, and its facts: one reading."""
    import numpy as np

    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    with _opened(content, path.name) as sound:
        audio = np.ascontiguousarray(_samples(sound, path.name).T)
        return audio, AudioFacts(sound.channels, sound.samplerate, sound.frames, sha256)


def resample(audio: NDArray[np.float32], source: int, target: int) -> NDArray[np.float32]:
    """(n_samples,) at ``source`` Hz -> (n_samples',) at ``target`` Hz, float32, with soxr's HQ setting."""
    if source == target:
        return audio
    import numpy as np
    import soxr

    return np.asarray(soxr.resample(audio, source, target, quality="HQ"), dtype=np.float32)


def _read(path: Path) -> bytes:
    try:
        if path.is_fifo():
            raise DataError(f"{path.name}: is a pipe, not a file")  # it would be waited for
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or error})") from error
    if not content:
        raise DataError(f"{path.name}: empty (0 bytes)")
    return content


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Any]:
    """Open a file of a format we read whose samples are all there; errors while it is open name it too."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            if sound.format not in FORMATS:
                raise DataError(f"{name}: is {sound.format} inside, it must be WAV or FLAC")
            if sound.frames == 0:
                raise DataError(f"{name}: holds no samples")
            if missing := _missing_bytes(content):
                raise DataError(f"{name}: cut short, {missing} of the bytes that its header promises are missing")
            if sound.frames >= OPEN_SIZE:
                raise DataError(f"{name}: its header does not say how long it is, decode it and encode it again")
            yield sound
    except soundfile.LibsndfileError as error:
        # str(error) would show the address of our buffer.
        raise DataError(f"{name}: will not decode ({error.error_string.strip(' .') or error.code})") from error
    except soundfile.SoundFileError as error:
        raise DataError(f"{name}: will not decode ({error})") from error


def _samples(sound: Any, name: str) -> NDArray[np.float32]:
    """(n_samples, n_channels) float32, all of them.

    Reads in blocks: a damaged header may promise more samples than there is memory for.
    """
    import numpy as np

    blocks = [sound.read(BLOCK, dtype="float32", always_2d=True)]
    while len(blocks[-1]) == BLOCK:
        blocks.append(sound.read(BLOCK, dtype="float32", always_2d=True))
    samples: NDArray[np.float32] = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    if len(samples) != sound.frames:
        raise DataError(f"{name}: cut short, {len(samples)} of the {sound.frames} samples that its header promises")
    if not np.isfinite(samples).all():
        raise DataError(f"{name}: holds samples that are not finite (NaN or infinity)")
    return samples


def _missing_bytes(content: bytes) -> int:
    """Walk the chunks of a wav: how many bytes that its ``data`` chunk promises are not there (0 for a FLAC)."""
    form, position, long_size = content[:4], 12, 0
    if form not in (b"RIFF", b"RIFX", b"RF64"):
        return 0
    while position + 8 <= len(content):
        tag, start = content[position : position + 4], position + 8
        size = int.from_bytes(content[position + 4 : start], "big" if form == b"RIFX" else "little")
        if tag == b"ds64":
            long_size = int.from_bytes(content[start + 8 : start + 16], "little")
        if tag == b"data":
            promised = long_size if form == b"RF64" else size if size < OPEN_SIZE else 0
            return max(0, start + promised - len(content))
        position = start + size + size % 2
    return 0
