"""An explanation of a long recording is that of the same sound in memory, and never holds it."""

from __future__ import annotations

import json
import tempfile

import numpy as np
import pytest
import soundfile

import asdcore
from asdcore.data.recordings import audio, file_content
from asdcore.data.recordings.audio import decode
from asdcore.errors import DataError
from asdcore.explanation import clip, medians, sounds, spectra
from asdcore.explanation.explained_file import explain_file

ASKED = {"system": "carried", "times": 3, "bands": 2}


@pytest.fixture
def in_blocks(monkeypatch):
    """Take every recording for long, and hear it in small blocks."""
    monkeypatch.setattr(sounds, "is_long", lambda _: True)
    monkeypatch.setattr(clip, "LARGE", 1)
    monkeypatch.setattr(audio, "BLOCK", 1000)
    monkeypatch.setattr("asdcore.compute.encoding.long_clips.BLOCK", 1000)
    monkeypatch.setattr(spectra, "AT_ONCE", 1)
    monkeypatch.setattr(medians, "AT_ONCE", 1000)


def sound_of(carried, index=0):
    name, machine, _, samples, rate = carried.clips()[index]
    return carried.root / "data" / name, machine, samples, rate


def same(one, other) -> bool:
    first, second = flat(one.as_json()), flat(other.as_json())
    numbers = {where for where, value in second.items() if isinstance(value, int | float)}
    return (
        first.keys() == second.keys()
        and all(first[where] == second[where] for where in second.keys() - numbers)
        and {where: first[where] for where in numbers}
        == pytest.approx({where: second[where] for where in numbers}, rel=1e-6, abs=1e-9)
    )


def flat(value, name=""):
    """Return {where: number} of a JSON value, and its texts."""
    if isinstance(value, dict):
        return {key: leaf for part in value for key, leaf in flat(value[part], f"{name}/{part}").items()}
    if isinstance(value, list | tuple):
        return {key: leaf for i, part in enumerate(value) for key, leaf in flat(part, f"{name}/{i}").items()}
    return {name: value}


@pytest.mark.parametrize("recordings", ["at hand", "elsewhere"])
def test_blocks_say_what_the_whole_says(carried, detector, tmp_path, request, recordings):
    path, machine, samples, rate = sound_of(carried)
    data = carried.root / "data" if recordings == "at hand" else None
    whole = asdcore.explain(detector, samples, rate, machine, data=data, **ASKED)
    request.getfixturevalue("in_blocks")
    picture = tmp_path / "why.svg"
    assert same(explain_file(carried.path, path, machine, data=data, picture=picture, **ASKED), whole)
    assert same(asdcore.explain(detector, samples, rate, machine, data=data, **ASKED), whole)
    assert picture.read_text().startswith("<svg")


def test_a_long_recording_has_the_same_explanation_in_every_format(carried, tmp_path, in_blocks):
    _, machine, samples, rate = sound_of(carried)
    told = []
    for name, how in (("a.wav", "PCM_16"), ("a.flac", "PCM_16"), ("float.wav", "FLOAT")):
        soundfile.write(tmp_path / name, samples.T, rate, how)
        told.append(json.dumps(explain_file(carried.path, tmp_path / name, machine, **ASKED).as_json()))
    assert told[0] == told[1] == told[2]


def test_temporary_files_are_gone(carried, tmp_path, in_blocks, monkeypatch):
    path, machine, *_ = sound_of(carried)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    explain_file(carried.path, path, machine, data=carried.root / "data", **ASKED)
    left = {path.name.rpartition("-")[0] for path in (tmp_path / "temporary").iterdir()}
    assert left <= {"asdcore-detector"}, "a detector keeps its folder as long as it lives"


def test_silence_and_a_silent_nearest_normal_are_refused_as_in_memory(carried, detector, in_blocks, tmp_path):
    path, machine, samples, rate = sound_of(carried)
    soundfile.write(tmp_path / "silent.wav", 0 * samples.T, rate)
    with pytest.raises(DataError, match="the recording is silent"):
        explain_file(carried.path, tmp_path / "silent.wav", machine, **ASKED)
    with clip.clip_of_file(detector, path) as heard, pytest.raises(DataError, match="no part"):
        heard.score(sounds.HeldSound(0 * samples), machine, None, "carried", if_silent="no part")


def test_a_changed_train_normal_is_refused(carried, in_blocks):
    name = carried.run.clips.filter(split="train", machine="fan")["clip"][0]
    path = carried.root / "data" / name
    with pytest.raises(DataError, match="changed since it was indexed"), sounds.learnt_sound(path, "0" * 64):
        pass
    with sounds.learnt_sound(path, None, 8000) as (sound, rate):
        in_memory = audio.resample(decode(path)[0][0], decode(path)[1], 8000)
        assert (rate, len(sound)) == (8000, len(in_memory))
        assert np.array_equal(sound.read(0, len(sound))[0], in_memory)


def test_what_must_hold_a_clip_refuses_before_anything_is_held(carried, in_blocks, monkeypatch):
    path, machine, *_ = sound_of(carried)
    monkeypatch.setattr("asdcore.compute.encoding.long_clips._reads_blocks", lambda *_: False)
    monkeypatch.setattr("asdcore.compute.encoding.held_whole.HELD", 1000)
    with pytest.raises(DataError, match=r"lasts .* needs it in memory as a whole: .* --seconds 10"):
        explain_file(carried.path, path, machine, **ASKED)
    assert file_content.LARGE > 1000
