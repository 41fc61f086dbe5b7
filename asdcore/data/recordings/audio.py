"""Decodes, resamples and hashes recordings; files of loggers are read by :mod:`asdcore.data.formats`.

Audio is (n_channels, n_samples) float32 in [-1, 1]. A damaged or truncated file is refused instead of being read as far
as it goes: a shorter clip has other scores, and nobody would know why. A path may name a part of a file
(:mod:`asdcore.basics.recording_parts`): then only that part is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.durations import duration
from asdcore.basics.paths import UNREAD
from asdcore.basics.recording_parts import Part, part_digest, part_name, part_of, recording_path
from asdcore.data.formats.by_ending import is_measured, measured
from asdcore.data.recordings.file_content import LARGE, FileContent
from asdcore.data.recordings.loudness import Loudness
from asdcore.data.recordings.noticed_sound import NoticedSound
from asdcore.data.recordings.sound_digest import SoundDigest
from asdcore.data.recordings.sound_part import SoundPart, samples_of
from asdcore.data.recordings.still_channels import StillChannels
from asdcore.data.recordings.wav import OPEN_SIZE, WavHeader, behind_tags, wav_header
from asdcore.data.sample_rates import check_rate
from asdcore.errors import DataError

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
"""Formats that may be inside them. libsndfile decodes damaged files of other formats in part, without an error."""

LOUDEST = 2.0**31
"""The largest floating-point sample that is accepted: formats of whole numbers have none larger."""

HELD = 1 << 28
"""Bytes of float32 samples, of all channels, that a recording may have which is decoded as a whole."""

BLOCK = 1 << 20
"""Samples decoded at once: more than most clips have, since soundfile seeks after each read, which FLAC makes slow."""


@dataclass(frozen=True)
class AudioFacts:
    """Facts about a clip before it is encoded.

    sha256 : the digest of the file's bytes; of a part of a file, that of both. rest : bytes of a wav after its last
    whole sample; they are left out. unit : of the samples, of a logger's file; "" if it is unknown. sound : the digest
    of the samples, which the same sound in another format shares (:mod:`asdcore.data.recordings.sound_digest`); "" if
    nobody took it, so facts are equal without it. still : channels that have one value throughout, as a dead microphone
    gives: 1 for the first, 2 for the second, 4, ..., added. level : in dB of full scale, of all channels together; None
    of silence, or if nobody took it, so facts are equal without it.
    """

    channels: int
    sample_rate: int
    n_samples: int
    sha256: str
    rest: int = 0
    unit: str = ""
    still: int = 0
    sound: str = field(default="", compare=False)
    level: float | None = field(default=None, compare=False)


class _TooLongError(DataError):
    """A recording has more samples than are held."""


def inspect_audio(path: Path) -> AudioFacts:
    """Hash a file and its sound; raises DataError, naming the file, if :func:`decode` would.

    It is decoded whatever a store holds of it, for whether a test clip is a train clip must not depend on that.
    """
    with opened(path) as (sound, facts):
        noticed = NoticedSound(facts.channels, facts.sample_rate)
        for block in (_whole_numbers if sound.subtype == "PCM_16" else _samples)(sound, path.name):
            noticed.hear(block)
        return replace(facts, **noticed.facts)


def decode(path: Path, sha256: str | None = None) -> tuple[NDArray[np.float32], int]:
    """Return ((n_channels, n_samples) float32, sample rate in Hz).

    With ``sha256`` the file must still have that digest: DataError if it changed since it was indexed.
    """
    try:
        audio, facts = _decoded(path)
        if sha256 not in (None, facts.sha256):
            raise DataError(f"{path.name}: changed since it was indexed")
    except DataError as error:
        what = str(error).removeprefix(path.name)
        way = "" if isinstance(error, _TooLongError) else " Restore or replace the file, then run again."
        raise DataError(f"{path}{what}.{way}") from error
    return audio, facts.sample_rate


def decode_new(path: Path) -> tuple[NDArray[np.float32], AudioFacts]:
    """Return the (n_channels, n_samples) float32 of a new file and its facts, from one reading.

    Raises DataError, before anything is decoded, if that is more than :data:`HELD`.
    """
    audio, facts = _decoded(path)
    loudness = Loudness()
    loudness.hear(audio.T)
    return audio, replace(facts, sound=digest_of(audio, facts.sample_rate), level=loudness.decibels)


def digest_of(audio: NDArray[np.float32], sample_rate: int) -> str:
    """Return the digest of the sound (n_channels, n_samples) of a recording, whatever file it came from."""
    digest = SoundDigest(sample_rate, len(audio))
    # Cut as _samples does: after a full last block comes an empty one.
    for start in range(0, audio.shape[1] + 1, BLOCK):
        digest.update(audio[:, start : start + BLOCK].T)
    return digest.hexdigest()


def _decoded(path: Path) -> tuple[NDArray[np.float32], AudioFacts]:
    """Return what :func:`decode_new` does, without the digest of the sound."""
    with decoded_in_blocks(path) as (facts, given):
        if (size := 4 * facts.channels * facts.n_samples) > HELD:
            start = part_of(path.name).seconds[0]
            part = part_name(*part_of(path.name)._replace(start=str(start), end=str(start + 10)))
            raise _TooLongError(
                f"{path.name}: lasts {duration(facts.n_samples / facts.sample_rate)}, {size / 1e9:.2f} GB of samples, "
                f"and at most {HELD / 1e9:.2f} GB are held in memory. Name a part of it, such as {part}, or cut it "
                "into windows"
            )
        blocks, channels = list(given), StillChannels(facts.channels)
        samples = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        channels.hear(samples)
        return np.ascontiguousarray(samples.T), replace(facts, still=channels.bits)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, AudioFacts]]:
    """Open a sound file, hashed and with its header checked; raises DataError, naming it, if :func:`decode` would.

    A large file is not held: what is decoded is read again, and the file must not have changed meanwhile.
    """
    part, file = part_of(path.name), recording_path(path)
    is_read_elsewhere = not part.is_whole or is_measured(file)
    with FileContent(file, path.name if is_read_elsewhere else None) as content:
        sha256 = part_digest(path.name, content.sha256())
        with _whole(content, file, part, path.name) as (whole, rest, unit):
            sound = whole if part.is_whole else SoundPart(whole, part, path.name)
            rest = rest if part.is_whole else 0
            yield sound, AudioFacts(sound.channels, sound.samplerate, sound.frames, sha256, rest, unit)
        content.check_unchanged()


@contextmanager
def _whole(content: FileContent, file: Path, part: Part, name: str) -> Iterator[tuple[Any, int, str]]:
    """Open all of the sound that a clip is a part of: sound, bytes after its last whole sample, and unit."""
    if is_measured(file):
        sound = measured(file, part, name)
        yield sound, 0, sound.unit
    else:
        header = wav_header(content.content)
        with _opened(content, header, name) as decoded:
            yield decoded, header.rest if header else 0, part.unit or ""


@contextmanager
def decoded_in_blocks(path: Path) -> Iterator[tuple[AudioFacts, Iterator[NDArray[np.float32]]]]:
    """Open a sound file to decode it block by block, (n_samples, n_channels) float32; errors as :func:`decode_new`."""
    with opened(path) as (sound, facts):
        yield facts, _samples(sound, path.name)


def resample(audio: NDArray[np.float32], source: int, target: int) -> NDArray[np.float32]:
    """(n_samples,) at ``source`` Hz -> (n_samples',) at ``target`` Hz, float32, with soxr's HQ setting."""
    if source == target:
        return audio
    import soxr

    return np.asarray(soxr.resample(audio, source, target, quality="HQ"), dtype=np.float32)


@contextmanager
def _opened(content: FileContent, header: WavHeader | None, name: str) -> Iterator[Any]:
    """Open a file of a supported format and check that all its samples are there; errors name the file."""
    import soundfile

    if header and header.second:
        raise DataError(
            f"{name}: has two chunks of samples ('data'), and a wav has one. Decode it with the program that wrote it, "
            "then encode it again"
        )
    try:
        with soundfile.SoundFile(content.behind(behind_tags(content.content))) as sound:
            if sound.format not in FORMATS:
                raise DataError(f"{name}: is {sound.format} inside; convert it to WAV or FLAC")
            if sound.frames == 0:
                raise DataError(f"{name}: holds no samples")
            check_rate(sound.samplerate, name)
            if header is None and sound.format != "FLAC":
                raise DataError(f"{name}: it has no wav header at its start, decode it and encode it again")
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
        advice = "; convert it to WAV or FLAC" if name.lower().endswith(UNREAD) else ""
        why = error.error_string.strip(" .") or error.code
        raise DataError(f"{name}: will not decode ({why}){advice}") from error
    except soundfile.SoundFileError as error:
        raise DataError(f"{name}: will not decode ({error})") from error


def _samples(sound: Any, name: str) -> Iterator[NDArray[np.float32]]:
    """Yield (n_samples, n_channels) float32, block by block, and check them.

    A damaged header may promise more samples than there is memory for, so blocks are read until there are no more.
    """
    n_samples, full = 0, True
    while full:
        samples: NDArray[np.float32] = sound.read(BLOCK, dtype="float32", always_2d=True)
        n_samples, full = n_samples + len(samples), len(samples) == BLOCK
        if not np.isfinite(samples).all():
            raise DataError(f"{name}: holds samples that are not finite (NaN or infinity)")
        if (largest := float(np.abs(samples).max(initial=0.0))) > LOUDEST:
            raise DataError(f"{name}: holds a sample of {largest:.3g}, full scale is 1: these are not samples of sound")
        yield samples
    _check_count(n_samples, sound.frames, name)


def _whole_numbers(sound: Any, name: str) -> Iterator[NDArray[np.int16]]:
    """Yield (n_samples, n_channels) of 16-bit numbers, in the blocks of :func:`_samples`, checked as there."""
    n_samples, full = 0, True
    while full:
        samples: NDArray[np.int16] = sound.read(BLOCK, dtype="int16", always_2d=True)
        n_samples, full = n_samples + len(samples), len(samples) == BLOCK
        yield samples
    _check_count(n_samples, sound.frames, name)


def _check_count(n_samples: int, promised: int, name: str) -> None:
    if n_samples != promised:
        raise DataError(f"{name}: cut short, {n_samples} of the {promised} samples that its header promises")


class Resampler:
    """Resamples a recording block by block: the bits that :func:`resample` gives of the whole."""

    def __init__(self, source: int, target: int) -> None:
        import soxr

        self._stream = None if source == target else soxr.ResampleStream(source, target, 1, "float32", "HQ")

    def __call__(self, block: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        """Return what of (n_samples,) can be given so far, (n_samples',); ``last`` ends the recording."""
        if self._stream is None:
            return block
        resampled: NDArray[np.float32] = self._stream.resample_chunk(block, last=last)
        return resampled


def header(path: Path) -> tuple[int, int]:
    """Return the sample rate in Hz of a clip's file, and how many samples the file has, without reading any."""
    part, file = part_of(path.name), recording_path(path)
    with FileContent(file, path.name) as content, _whole(content, file, part, path.name) as (sound, _, _):
        return sound.samplerate, sound.frames


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file of which clips are parts; it is hashed once as long as it stays as it is."""
    with FileContent(path, path.name) as content:
        return content.sha256()


def is_long(path: Path) -> bool:
    """Whether a recording is so long that it should not be in memory as a whole: a look at its size or header."""
    part = part_of(path.name)
    try:
        if part.is_whole and path.stat().st_size >= LARGE:
            return True
        if part.is_whole and path.suffix.lower() != ".flac":
            return False
        start, stop = samples_of(part, *header(path))
        return 4 * (stop - start) >= LARGE
    except (OSError, DataError):
        return False  # whoever decodes it says what is wrong
