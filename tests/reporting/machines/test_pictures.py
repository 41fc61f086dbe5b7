"""Spectrograms and MP3: what a browser gets is what was recorded."""

from __future__ import annotations

import base64
import hashlib
import io
import struct

import numpy as np
import soundfile

from asdcore.data.recordings import audio
from asdcore.drawing.spectrograms import HEIGHT, WIDTH
from asdcore.explanation import sounds
from asdcore.reporting.machines import pictures
from asdcore.reporting.machines.pictures import mp3, tail_pictures

RATE = 16000


def tone(hertz, seconds=2.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def test_an_mp3_sounds_like_the_clip():
    back, rate = soundfile.read(io.BytesIO(mp3(0.01 * tone(1000), RATE)))
    strongest = np.abs(np.fft.rfft(back)).argmax() * rate / len(back)
    assert abs(strongest - 1000) < 5
    assert 0.5 < np.abs(back).max() <= 1.0


def test_a_clip_that_is_gone_or_changed_has_no_picture(tmp_path):
    for name in ("kept", "changed"):
        soundfile.write(tmp_path / f"{name}.wav", tone(500), RATE)
    digest = hashlib.sha256((tmp_path / "kept.wav").read_bytes()).hexdigest()
    clips = {name: (tmp_path / f"{name}.wav", digest) for name in ("kept", "gone")}
    found = tail_pictures({**clips, "changed": (tmp_path / "changed.wav", "0" * 64)}, sound=True)
    assert set(found) == {"kept"}
    kind, _, content = found["kept"]["picture"].partition(",")
    assert kind == "data:image/png;base64"
    assert struct.unpack(">II", base64.b64decode(content)[16:24]) == (WIDTH, HEIGHT)
    assert found["kept"]["sound"].startswith("data:audio/mpeg;base64,")


def test_a_long_recording_is_never_held_and_looks_and_sounds_the_same(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).normal(scale=0.1, size=(RATE, 2))
    soundfile.write(tmp_path / "night.wav", noise, RATE)
    clips = {"night": (tmp_path / "night.wav", hashlib.sha256((tmp_path / "night.wav").read_bytes()).hexdigest())}
    in_memory = tail_pictures(clips, sound=True)
    monkeypatch.setattr(sounds, "is_long", lambda _: True)
    monkeypatch.setattr(sounds, "decode", lambda *_: 1 / 0)
    monkeypatch.setattr(audio, "BLOCK", 1000)
    monkeypatch.setattr(pictures, "BLOCK", 1000)
    assert tail_pictures(clips, sound=True) == in_memory


def test_of_a_very_long_recording_the_beginning_is_heard_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "LONGEST", 1)
    path = tmp_path / "night.wav"
    soundfile.write(path, tone(500), RATE)
    seen = tail_pictures({"night": (path, hashlib.sha256(path.read_bytes()).hexdigest())}, sound=True)["night"]
    assert seen["heard"] == "the first 1 s of 2 s"
    back, rate = soundfile.read(io.BytesIO(base64.b64decode(seen["sound"].partition(",")[2])))
    assert 1.0 <= len(back) / rate < 1.3
