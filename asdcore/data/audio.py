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

from asdcore.data.wav import OPEN_SIZE, behind_tags, wav_header
from asdcore.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".wav", ".flac")
"""The audio files that datasets hold."""

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
"""What may be inside them. A damaged file of another format is decoded as far as it goes without an error."""

RATES = (1_000, 4_000_000)
"""Sample rates in Hz that a header may name. To resample what says 1 Hz would take all memory there is."""

LOUDEST = 2.0**31
"""The largest floating-point sample that is taken: no format of whole numbers has a larger one."""

BLOCK = 1 << 20
"""Samples decoded at once: more than any clip has, since soundfile seeks after each read, and in FLAC that is slow."""


@dataclass(frozen=True)
class AudioFacts:
    """What is known of a clip before it is encoded. ``sha256`` is the digest of the file's bytes.

    rest : bytes that a wav has behind its last whole sample; they are left out.
    """

    channels: int
    sample_rate: int
    n_samples: int
    sha256: str
    rest: int = 0


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
        return AudioFacts(sound.channels, sound.samplerate, sound.frames, sha256, _rest(content))


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
        return audio, AudioFacts(sound.channels, sound.samplerate, sound.frames, sha256, _rest(content))


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

    header = wav_header(content)
    if header and header.second:
        raise DataError(
            f"{name}: has two chunks of samples ('data'), and a wav has one. Decode it with the program that wrote it, "
            "then encode it again"
        )
    try:
        with soundfile.SoundFile(io.BytesIO(content[behind_tags(content) :])) as sound:
            if sound.format not in FORMATS:
                raise DataError(f"{name}: is {sound.format} inside, it must be WAV or FLAC")
            if sound.frames == 0:
                raise DataError(f"{name}: holds no samples")
            if not RATES[0] <= sound.samplerate <= RATES[1]:
                low, high = RATES
                raise DataError(
                    f"{name}: its header says {sound.samplerate} Hz, from {low:,} to {high:,} Hz is allowed"
                )
            if header is None and sound.format != "FLAC":
                raise DataError(f"{name}: its header is not where a wav has it, decode it and encode it again")
            if header and header.missing:
                raise DataError(
                    f"{name}: cut short, {header.missing} of the bytes that its header promises are missing"
                )
            if header and header.contradiction:
                raise DataError(f"{name}: its header contradicts itself: {header.contradiction}")
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
    if (largest := float(np.abs(samples).max(initial=0.0))) > LOUDEST:
        raise DataError(f"{name}: holds a sample of {largest:.3g}, full scale is 1: these are no samples of sound")
    return samples


def _rest(content: bytes) -> int:
    header = wav_header(content)
    return header.rest if header else 0
