"""A window that comes in is recognized as what was learnt: by its file, its place in a file, or its sound."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from asdcore.basics.recording_parts import part_digest
from asdcore.data.recordings.audio import digest_of
from asdcore.detector.adapting.heard_before import LearntSound

RATE = 16000


def test_a_window_is_recognized_by_its_file_its_place_in_it_or_its_sound():
    noise = np.random.default_rng(0)
    sounds = noise.normal(size=(3, 2, RATE)).astype(np.float32)
    learnt = LearntSound(
        SimpleNamespace(
            sha256={"whole.wav": "00", "night.wav#t=1.5-2.5": part_digest("night.wav#t=1.5-2.5", "11")},
            sounds={digest_of(sounds[0], RATE): "heard.wav"},
        )
    )
    assert learnt.normal("00", 5, sounds[1], RATE) == "whole.wav"
    assert learnt.normal("11", 3 * RATE // 2, sounds[1], RATE) == "night.wav#t=1.5-2.5"
    assert learnt.normal("22", 0, sounds[0], RATE) == "heard.wav"
    assert learnt.normal("", 0, sounds[0].copy(), RATE) == "heard.wav"
    for other in (("11", 0, sounds[1], RATE), ("22", 0, sounds[1], RATE), ("", 7, sounds[0], RATE // 2)):
        assert learnt.normal(*other) == ""
