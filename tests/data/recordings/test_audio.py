"""Decoding, and above all refusing: a damaged file must never pass for a shorter clip."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdcore.data.recordings import audio as audio_module
from asdcore.data.recordings.audio import AudioFacts, decode, decode_new, inspect_audio, resample
from asdcore.errors import DataError

RATE = 16000
NOISE = (0.1 * np.random.default_rng(0).standard_normal((20000, 2))).astype(np.float32)


def encoded(kind: str = "WAV", subtype: str = "PCM_16", samples: np.ndarray = NOISE, endian: str = "FILE") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind, subtype=subtype, endian=endian)
    return buffer.getvalue()


def resized(content: bytes, size: int) -> bytes:
    """Return a wav whose data chunk says it has ``size`` bytes."""
    at = content.index(b"data") + 4
    return content[:at] + size.to_bytes(4, "little") + content[at + 4 :]


def with_chunk(content: bytes, before: bool, body: bytes) -> bytes:
    chunk = b"LIST" + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
    at = content.index(b"data") if before else len(content)
    return content[:at] + chunk + content[at:]


WAV, FLAC = encoded(), encoded("FLAC")

WHOLE = {
    "pcm16": WAV,
    "pcm24": encoded(subtype="PCM_24"),
    "pcm8": encoded(subtype="PCM_U8"),
    "float": encoded(subtype="FLOAT"),
    "double": encoded(subtype="DOUBLE"),
    "ulaw": encoded(subtype="ULAW"),
    "wavex": encoded("WAVEX"),
    "rf64": encoded("RF64"),
    "rifx, big-endian": encoded(endian="BIG"),
    "flac": FLAC,
    "flac24": encoded("FLAC", "PCM_24"),
    "chunk before data": with_chunk(WAV, True, b"odd"),
    "chunk after data": with_chunk(WAV, False, b"INFOIART"),
    "size left open": resized(WAV, 0xFFFFFFFF),
    "size left open, as sox does": resized(WAV, 0x7FFFF024),
    "wrong riff size": WAV[:4] + (100).to_bytes(4, "little") + WAV[8:],
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_whole_files_are_read_to_the_last_sample(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    assert inspect_audio(path) == AudioFacts(2, RATE, len(NOISE), hashlib.sha256(content).hexdigest())
    audio, rate = decode(path)
    assert rate == RATE
    assert audio.shape == (2, len(NOISE))
    assert audio.dtype == np.float32
    assert audio.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(audio, NOISE.T, atol=0.02)


@pytest.mark.parametrize("block", [5000, len(NOISE), len(NOISE) - 1])
def test_a_long_clip_is_decoded_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    path = tmp_path / "long.flac"
    path.write_bytes(FLAC)
    whole, _ = decode(path)
    monkeypatch.setattr(audio_module, "BLOCK", block)
    np.testing.assert_array_equal(decode(path)[0], whole)
    assert inspect_audio(path).n_samples == len(NOISE)
    path.write_bytes(FLAC[:-3000])
    with pytest.raises(DataError):
        inspect_audio(path)


def flipped(content: bytes, *positions: int) -> bytes:
    damaged = bytearray(content)
    for position in positions:
        damaged[position] ^= 0xFF
    return bytes(damaged)


def unknown_length(flac: bytes) -> bytes:
    """Return the FLAC as an encoder reading from a pipe would have left it."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


NOT_FINITE = np.where(np.arange(len(NOISE))[:, None] == 7, np.float32(np.nan), NOISE)


def tagged(content: bytes, body: bytes = bytes(1500), footer: bool = False) -> bytes:
    """Return a file behind an ID3v2 tag, the sizes of which have 7 bits a byte."""
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"ID3\x04\x00" + (b"\x10" if footer else b"\x00") + size
    return head + body + (b"3DI" + head[3:] if footer else b"") + content


def with_field(content: bytes, at: int, value: int, size: int = 2) -> bytes:
    """Return a wav with another number in its ``fmt `` chunk: 0 tag, 2 channels, 4 rate, 12 block align, 14 bits."""
    place = content.index(b"fmt ") + 8 + at
    return content[:place] + value.to_bytes(size, "little") + content[place + size :]


WHOLE |= {
    "wav behind a tag": tagged(WAV),
    "wav behind two tags": tagged(tagged(WAV, b"RIFF" * 99)),
    "wrong bytes a second": with_field(WAV, 8, 12345, 4),
    "size left open behind a tag": tagged(resized(WAV, 0xFFFFFFFF)),
    "flac behind a tag": tagged(FLAC),
    "rf64 behind a tag with a footer": tagged(encoded("RF64"), footer=True),
}


def twice(content: bytes, between: bytes = b"", end: bytes = b"") -> bytes:
    """Return a wav with another chunk of samples behind its own: a copy, or ``end``."""
    return content + between + (end or content[content.index(b"data") :])


LOUD = np.where(np.arange(len(NOISE))[:, None] == 7, np.float32(1e30), NOISE)

BROKEN = {
    "wav behind a tag, cut": (tagged(WAV)[:-300], "cut short, 300 of the bytes"),
    "wav behind two tags, cut": (tagged(tagged(WAV))[:-301], "cut short, 301 of the bytes"),
    "wav24 behind a tag, cut": (tagged(encoded(subtype="PCM_24"))[:-7], "cut short, 7 of the bytes"),
    "24 bits in blocks of 4 bytes a channel": (
        with_field(with_field(WAV, 14, 24), 12, 8),
        "contradicts itself: 2 channels of 24 bits make 6 bytes a sample, and it says 8",
    ),
    "24 bits in blocks of 4 bytes": (
        with_field(with_field(encoded(samples=NOISE[:, :1]), 14, 24), 12, 4),
        "contradicts itself: 1 channel of 24 bits make 3 bytes a sample, and it says 4",
    ),
    "16 bits in blocks of 2 bytes for 2 channels": (with_field(WAV, 12, 2), "contradicts itself|will not decode"),
    "mu-law of 16 bits": (with_field(WAV, 0, 7), "contradicts itself: 2 channels of 8 bits make 2 bytes a sample"),
    "two chunks of samples": (twice(WAV), r"has two chunks of samples \('data'\), and a wav has one. Decode it"),
    "two chunks of samples behind a tag": (tagged(twice(WAV)), "has two chunks of samples"),
    "two chunks of samples, a note between": (twice(WAV, b"LIST\3\0\0\0abc\0"), "has two chunks of samples"),
    "two chunks of samples, the first empty": (twice(resized(WAV[:44], 0), end=WAV[36:]), "has two chunks of samples"),
    "1 Hz": (with_field(WAV, 4, 1, 4), "its header says 1 Hz, from 1,000 to 4,000,000 Hz is allowed"),
    "999 Hz": (with_field(WAV, 4, 999, 4), "says 999 Hz"),
    "too many Hz": (with_field(WAV, 4, 2**31 - 1, 4), "says 2147483647 Hz"),
    "1 Hz, float": (with_field(encoded(subtype="FLOAT"), 4, 1, 4), "says 1 Hz"),
    "1e30": (encoded(subtype="FLOAT", samples=LOUD), r"holds a sample of 1e\+30, full scale is 1"),
    "-1e30": (encoded(subtype="DOUBLE", samples=-LOUD), r"holds a sample of 1e\+30"),
    "empty": (b"", r"empty \(0 bytes\)"),
    "garbage": (np.random.default_rng(1).bytes(3000), "will not decode"),
    "text": (b"<html>404 not found</html>", "will not decode"),
    "wav cut in its header": (WAV[:20], "will not decode"),
    "wav header alone": (WAV[:44], "holds no samples"),
    "wav without samples": (encoded(samples=NOISE[:0]), "holds no samples"),
    "wav cut in half": (WAV[: len(WAV) // 2], f"cut short, {len(WAV) - len(WAV) // 2} of the bytes"),
    "wav cut by a byte": (WAV[:-1], "cut short, 1 of the bytes"),
    "wav promising more": (resized(WAV, len(NOISE) * 4 + 400), "cut short, 400 of the bytes"),
    "wav24 cut": (WHOLE["pcm24"][:-300], "cut short"),
    "float cut": (WHOLE["float"][:-300], "cut short"),
    "wavex cut": (WHOLE["wavex"][:-300], "cut short"),
    "rf64 cut": (WHOLE["rf64"][:-300], "cut short"),
    "rifx cut": (WHOLE["rifx, big-endian"][:-300], "cut short"),
    "chunk before data, cut": (WHOLE["chunk before data"][:-300], "cut short"),
    "flac cut in half": (FLAC[: len(FLAC) // 2], "will not decode"),
    "flac cut by a byte": (FLAC[:-1], "will not decode"),
    "flac with flipped bytes": (flipped(FLAC, len(FLAC) // 2), "will not decode"),
    "flac with a flip near its end": (flipped(FLAC, len(FLAC) - 5), "will not decode"),
    "flac with a hole": (FLAC[:9000] + bytes(800) + FLAC[9800:], "will not decode"),
    "flac of unknown length": (unknown_length(FLAC), "does not say how long"),
    "flac of absurd length": (flipped(FLAC, 22), "cut short|will not decode|does not say"),
    "another format": (encoded("AIFF"), "is AIFF inside"),
    "another format, cut": (encoded("OGG", "VORBIS")[:-2000], "is OGG inside"),
    "not finite": (encoded(subtype="FLOAT", samples=NOT_FINITE), "not finite"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "section_00_0000.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^section_00_0000\.wav: .*(?:{message})") as inspected:
        inspect_audio(path)
    with pytest.raises(DataError, match=message) as decoded:
        decode(path)
    assert str(decoded.value).startswith(f"{path}: ")
    assert "0x" not in str(inspected.value), "an address in memory makes a message differ between runs"


@pytest.mark.parametrize("cut", range(1, len(FLAC), 4999))
def test_a_flac_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "clip.flac"
    path.write_bytes(FLAC[:cut])
    with pytest.raises(DataError):
        inspect_audio(path)


@pytest.mark.parametrize("position", range(60, len(FLAC), 3001))
def test_a_flac_damaged_anywhere_is_refused_or_the_same(tmp_path: Path, position: int) -> None:
    path = tmp_path / "clip.flac"
    path.write_bytes(flipped(FLAC, position))
    try:
        audio, _ = decode(path)
    except DataError:
        return
    np.testing.assert_array_equal(audio.T, soundfile.read(io.BytesIO(FLAC), dtype="float32")[0])


def test_what_is_no_readable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.wav").mkdir()
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    for name in ("x.wav", "gone.wav", "missing.wav"):
        with pytest.raises(DataError, match=rf"^{name}: cannot be read \("):
            inspect_audio(tmp_path / name)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        decode(tmp_path / "locked.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.wav"
    path.write_bytes(WAV)
    path.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        inspect_audio(path)


def test_decode_notices_a_file_that_changed_since_it_was_indexed(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(WAV)
    digest = inspect_audio(path).sha256
    assert decode(path, digest)[0].shape == (2, len(NOISE))
    path.write_bytes(flipped(WAV, 1000))
    with pytest.raises(DataError, match=r"clip\.wav: changed since it was indexed.*run again"):
        decode(path, digest)


def test_float_samples_beyond_one_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    path.write_bytes(encoded(subtype="FLOAT", samples=NOISE * 50))
    np.testing.assert_array_equal(decode(path)[0], (NOISE * 50).T)


@pytest.mark.parametrize(("subtype", "rests"), [("PCM_16", (0, 1, 2, 3, 4)), ("PCM_24", (0, 1, 5, 6)), ("FLOAT", (7,))])
def test_bytes_behind_the_last_whole_sample_are_counted_and_left_out(tmp_path: Path, subtype: str, rests) -> None:
    content, path = encoded(subtype=subtype), tmp_path / "a.wav"
    block = {"PCM_16": 4, "PCM_24": 6, "FLOAT": 8}[subtype]
    at = content.index(b"data") + 8
    for rest in rests:
        longer = resized(content[: at + len(NOISE) * block] + bytes(rest), len(NOISE) * block + rest)
        path.write_bytes(longer + b"\0" * (rest % 2))
        facts = inspect_audio(path)
        assert (facts.n_samples, facts.rest) == (len(NOISE) + rest // block, rest % block)
        assert decode_new(path)[1] == facts
        path.write_bytes(tagged(path.read_bytes()))
        assert inspect_audio(path).rest == rest % block


def test_resampling_keeps_a_tone_and_its_length() -> None:
    seconds = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    at_32k = resample(tone, RATE, 32000)
    assert at_32k.shape == (32000,)
    assert at_32k.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(32000) / 32000)
    np.testing.assert_allclose(at_32k[2000:-2000], expected[2000:-2000], atol=1e-3)
    assert resample(tone, RATE, RATE) is tone


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_one_reading_gives_what_looking_and_decoding_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    facts, (expected, rate) = inspect_audio(path), decode(path)
    readings: list[Path] = []
    monkeypatch.setattr(Path, "read_bytes", lambda one: readings.append(one) or content)
    audio, found = decode_new(path)
    assert readings == [path]
    assert found == facts
    assert found.sample_rate == rate
    assert audio.tobytes() == expected.tobytes()
    assert audio.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("content", [b"", WAV[:44], WAV[:900], FLAC[:900], b"RIFF" + bytes(99), WAV[:30]])
def test_one_reading_refuses_what_looking_refuses_in_the_same_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^clip\.wav: ") as looked:
        inspect_audio(path)
    with pytest.raises(DataError) as read:
        decode_new(path)
    assert str(read.value) == str(looked.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(DataError, match=r"^x\.wav: is a pipe"):
        inspect_audio(tmp_path / "x.wav")


def test_a_device_is_refused_and_not_read_for_ever(tmp_path):
    (tmp_path / "x.wav").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"^x\.wav: is a device"):
        inspect_audio(tmp_path / "x.wav")


def test_more_samples_than_are_held_are_refused_before_any_is_decoded(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", np.zeros((48000, 2)), 16000)
    monkeypatch.setattr(audio_module, "HELD", 8 * 48000)
    assert decode_new(tmp_path / "a.wav")[1].n_samples == 48000
    monkeypatch.setattr(audio_module, "HELD", 8 * 48000 - 1)
    monkeypatch.setattr(audio_module, "_samples", lambda *_: iter(()))
    words = (
        r"a\.wav: lasts 3 s, 0\.00 GB of samples, and at most 0\.00 GB are held in memory\. Name a part of it, such as "
    )
    with pytest.raises(DataError, match=rf"^{words}a\.wav#t=0-10, or cut it into windows$"):
        decode_new(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"a\.wav#t=0-10, or cut it into windows\.$"):
        decode(tmp_path / "a.wav")
    monkeypatch.setattr(audio_module, "HELD", 8 * 24000 - 1)
    with pytest.raises(DataError, match=r"such as a\.wav#t=1-11, or"):
        decode_new(tmp_path / "a.wav#t=1-")
