"""Parts of recordings: the samples that were asked for, and a message for those that are not there."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import soundfile

from asdcore.basics.recording_parts import part_name
from asdcore.data.recordings import audio as audio_module
from asdcore.data.recordings import file_content
from asdcore.data.recordings.audio import decode, decode_new, inspect_audio, is_long
from asdcore.errors import DataError

RATE = 8000
SOUND = (0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 3))).astype(np.float32)


@pytest.fixture(params=["a.wav", "a.flac"])
def recording(tmp_path, request):
    """A recording of 4 s and three channels, long settled."""
    path = tmp_path / request.param
    soundfile.write(path, SOUND, RATE, subtype="PCM_24")
    os.utime(path, ns=(10**18, 10**18))
    return path


def part(path, *what):
    return path.with_name(part_name(path.name, *what))


@pytest.mark.parametrize(
    ("what", "samples"),
    [
        ((1, 2), SOUND[RATE : 2 * RATE]),
        ((3.5, None), SOUND[3 * RATE + RATE // 2 :]),
        ((None, 0.25), SOUND[: RATE // 4]),
        ((None, None, 2), SOUND[:, 1:2]),
        ((1.00005, 1.00021, "3"), SOUND[RATE : RATE + 2, 2:]),
        ((0, 4), SOUND),
        ((1, 2, None, RATE), SOUND[RATE : 2 * RATE]),
    ],
)
@pytest.mark.parametrize("block", [1000, audio_module.BLOCK])
def test_a_part_is_the_same_samples_as_in_the_whole(recording, what, samples, block, monkeypatch):
    monkeypatch.setattr(audio_module, "BLOCK", block)
    whole, _ = decode_new(recording)
    assert np.abs(whole - SOUND.T).max() < 1e-6
    heard, facts = decode_new(part(recording, *what))
    np.testing.assert_allclose(heard, samples.T, atol=1e-6)
    assert (facts.channels, facts.n_samples, facts.sample_rate) == (*heard.shape, RATE)
    assert facts == inspect_audio(part(recording, *what))


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ((1, 5), r"a\.\w+#t=1-5: ends at 5 s, and the recording lasts 4 s"),
        ((4, None), r"begins at 4 s, and the recording lasts 4 s"),
        ((2, 1), "begins at 2 s and ends at 1 s; the end must come after the start"),
        ((1, 1.00001), "is shorter than a sample at 8000 Hz"),
        ((None, None, 4), r"has no channel '4'; its channels are counted from 1, so 1 to 3 is allowed"),
        ((None, None, "0"), r"has no channel '0'"),
        ((None, None, "Accel X"), r"has no channel 'Accel X'"),
        ((None, None, None, 16000), "given as 16000 Hz, and the file says 8000 Hz"),
    ],
)
def test_what_the_recording_does_not_have_is_named(recording, what, problem):
    with pytest.raises(DataError, match=problem):
        inspect_audio(part(recording, *what))


def test_a_part_of_a_file_that_is_gone_or_changed_is_refused(recording):
    name = part(recording, 1, 2)
    before = inspect_audio(name).sha256
    soundfile.write(recording, -SOUND, RATE, subtype="PCM_24")
    with pytest.raises(DataError, match="changed since it was indexed"):
        decode(name, before)
    recording.unlink()
    with pytest.raises(DataError, match=r"a\.\w+#t=1-2: cannot be read \(No such file"):
        inspect_audio(name)


def test_a_file_is_hashed_once_for_all_of_its_parts(recording, monkeypatch):
    hashed = []
    digest = file_content.hashlib.file_digest
    monkeypatch.setattr(file_content.hashlib, "file_digest", lambda *given: hashed.append(given) or digest(*given))
    monkeypatch.setattr(file_content.time, "time_ns", lambda: time.monotonic_ns() + 10**19)
    for second in range(3):
        inspect_audio(part(recording, second, second + 1))
    assert len(hashed) == 1
    with recording.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    assert inspect_audio(part(recording, 0, 1)).sha256
    assert len(hashed) == 2


def test_a_short_part_of_a_long_recording_is_short(recording, monkeypatch):
    monkeypatch.setattr(audio_module, "LARGE", 3 * RATE * 4)
    assert not is_long(part(recording, 1, 2))
    assert is_long(part(recording, 1, None))
