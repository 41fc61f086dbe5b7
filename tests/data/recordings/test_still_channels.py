"""A channel is still if it has one value throughout, whatever the value, the length and the form of the file."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.data.recordings.still_channels import HEAD, StillChannels

NOISE = np.random.default_rng(0).normal(scale=0.1, size=100_000)
QUIET = np.zeros(len(NOISE))
LATE = np.where(np.arange(len(NOISE)) == len(NOISE) - 1, 0.5, 0.0)


@pytest.mark.parametrize("form", [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("FLAC", "PCM_16")])
@pytest.mark.parametrize(
    ("channels", "still"),
    [
        ((QUIET,), 1),
        ((QUIET + 0.25,), 1),
        ((NOISE,), 0),
        ((LATE,), 0),
        ((NOISE, QUIET), 2),
        ((QUIET, QUIET - 0.5), 3),
        ((QUIET, LATE, NOISE), 1),
    ],
)
def test_both_ways_of_reading_a_file_tell_its_still_channels(tmp_path, channels, still, form):
    path = tmp_path / f"a.{form[0].lower()}"
    soundfile.write(path, np.stack(channels, axis=1), 16000, format=form[0], subtype=form[1])
    facts = inspect_audio(path)
    assert facts.still == still
    assert decode_new(path)[1] == facts


@pytest.mark.parametrize("size", [1, HEAD - 1, HEAD, HEAD + 1])
def test_blocks_of_any_size_say_the_same(size):
    sound = np.stack([QUIET, NOISE, LATE], axis=1)[-4 * HEAD :].astype(np.float32)
    heard = StillChannels(3)
    for start in range(0, len(sound), size):
        heard.hear(sound[start : start + size])
    assert heard.bits == 1
