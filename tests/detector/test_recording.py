"""A recording of any length is scored from its file: in blocks if it is long, and to the same bits."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdcore.data.recordings import audio
from asdcore.detector import recording
from asdcore.detector.recording import score_file
from asdcore.errors import DataError, StoreError

RATE = 16000


@pytest.fixture
def long(tmp_path):
    """A recording as long as the train clips: frames of no other are compared."""
    time = np.arange(RATE // 4) / RATE
    noise = 0.05 * np.random.default_rng(3).standard_normal((2, len(time)))
    soundfile.write(tmp_path / "night.wav", (0.2 * np.sin(2 * np.pi * 440 * time) + noise).T, RATE)
    return tmp_path / "night.wav"


@pytest.fixture
def in_blocks(monkeypatch):
    """Take every recording for long, and hold none in memory."""
    monkeypatch.setattr(recording, "is_long", lambda _: True)
    monkeypatch.setattr(audio, "BLOCK", 1000)


def test_the_bits_are_those_of_the_recording_in_memory(carried, detector, long, in_blocks):
    sound, facts = audio.decode_new(long)
    for system in detector.systems:
        verdict, heard = score_file(detector, long, "fan", system=system)
        assert verdict == detector.score(sound, RATE, "fan", system=system)
        assert heard == facts


def test_a_recording_of_another_kind_is_refused_before_it_is_heard(detector, in_blocks, monkeypatch, tmp_path):
    monkeypatch.setattr(recording.Listener, "in_blocks", lambda *_: pytest.fail("heard"))
    noise = np.random.default_rng(0).normal(scale=0.1, size=(RATE, 3))
    for name, sound, rate, told in (
        ("three.wav", noise, RATE, "has 3 channels; the train clips of .* have 2, so a file of 2"),
        ("slow.wav", noise[:, :2], 8000, "8.?000"),
        ("short.wav", noise[:900, :2], RATE, r"has 0\.05625 s; at least 0\.125 s are allowed"),
    ):
        soundfile.write(tmp_path / name, sound, rate)
        with pytest.raises(DataError, match=told):
            score_file(detector, tmp_path / name, "fan")


def test_silence_is_refused_as_in_memory(detector, in_blocks, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros((RATE, 2)), RATE)
    with pytest.raises(DataError, match=r"the recording is silent\. Check the microphone and the file"):
        score_file(detector, tmp_path / "silent.wav", "fan")


def test_temporary_files_are_gone_and_a_full_disk_is_said_so(detector, long, in_blocks, monkeypatch, tmp_path):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    score_file(detector, long, "fan")
    assert list((tmp_path / "temporary").iterdir()) == []
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("asdcore.compute.encoding.long_clips._append", lambda *_, **__: (_ for _ in ()).throw(full))
    monkeypatch.setattr(
        "asdcore.compute.encoding.long_clips.SpooledSound.append", lambda *_, **__: (_ for _ in ()).throw(full)
    )
    with pytest.raises(StoreError, match="the disk is full. Free some space, or choose another one with TMPDIR"):
        score_file(detector, long, "fan")
    assert list(Path(tmp_path / "temporary").iterdir()) == []
