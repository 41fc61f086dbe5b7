"""A long recording is encoded as it is read, with the features of a recording in memory, to the bit."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdcore.compute import built_encoders, encoding, long_clips
from asdcore.compute.long_clips import hear_long, in_blocks
from asdcore.compute.requests import Output, Request
from asdcore.data import audio, file_content, pooling_blocks
from asdcore.data.audio import decode_new
from asdcore.errors import DataError

ENCODERS = {
    "logmel": {"n_fft": 400, "hop": 160, "n_mels": 20},
    "melspec": {},
    "psd_shape": {"n_fft": 1000},
    "modulation": {"n_fft": 128},
}
VIEWS = ["near", "far", "mean", "difference"]


def request(folder: Path, view: str, encoder: str, parameters: dict, *poolings: str) -> Request:
    of_encoder = json.dumps(parameters)
    outputs = tuple(Output(None, name, "{}", folder / f"{view}-{encoder}-{name}") for name in poolings)
    return Request(view, "{}", encoder, of_encoder, outputs)


def recording(path: Path, n_samples: int = 30_000, rate: int = 22050, **how: str) -> Path:
    sound = 0.1 * np.random.default_rng(0).normal(size=(n_samples, 2))
    soundfile.write(path, sound, rate, **how)
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks so small that short recordings have many."""
    monkeypatch.setattr(file_content, "LARGE", 1000)
    monkeypatch.setattr(audio, "BLOCK", 7001)
    monkeypatch.setattr(pooling_blocks, "AT_ONCE", 1 << 12)
    monkeypatch.setattr("asdcore_plugins.nn.front_ends.envelopes.IN_MEMORY", 1000)


@pytest.mark.parametrize(
    ("suffix", "rate", "how"),
    [
        (".wav", 16000, {"subtype": "PCM_16"}),
        (".wav", 44100, {"subtype": "FLOAT"}),
        (".flac", 22050, {"subtype": "PCM_16"}),
    ],
)
def test_blocks_give_the_features_of_the_whole(tmp_path, suffix, rate, how):
    path = recording(tmp_path / f"a{suffix}", rate=rate, **how)
    requests = [
        request(tmp_path, view, name, parameters, "mean", "mean_std", "max")
        for view, (name, parameters) in zip(itertools.cycle(VIEWS), ENCODERS.items(), strict=False)
    ]
    assert all(in_blocks(each, None) for each in requests)
    facts, features = hear_long(path, requests, None)
    sound, expected_facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, rate, requests, None)], requests, None)
    assert (facts, facts.sound) == (expected_facts, expected_facts.sound)
    assert features.keys() == expected.keys()
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)


@pytest.mark.parametrize("n_samples", [1, 127, 7000, 7001, 7002, 14002])
def test_recordings_that_end_at_a_block_or_beside_it(tmp_path, n_samples):
    path = recording(tmp_path / "a.wav", n_samples)
    requests = [request(tmp_path, "near", name, parameters, "mean") for name, parameters in ENCODERS.items()]
    _, features = hear_long(path, requests, None)
    sound, facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, facts.sample_rate, requests, None)], requests, None)
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)


def test_the_frames_of_many_blocks_are_those_of_one(tmp_path, monkeypatch):
    """Blocks of frames are as long as in earnest here, and the recording has several."""
    path = recording(tmp_path / "a.wav", 700_000, 16000)
    requests = [request(tmp_path, "near", "logmel", {"hop": 128}, "mean_std")]
    _, features = hear_long(path, requests, None)
    encoder = built_encoders.built_encoder(requests[0], None)
    assert encoder._framing.times(700_000) > 2 * encoder._framing.together
    monkeypatch.setattr(encoder, "_framing", dataclasses.replace(encoder._framing, together=1 << 20))
    sound, _ = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, 16000, requests, None)], requests, None)
    (output,) = expected
    assert features[output].tobytes() == expected[output].tobytes()


def test_a_view_or_an_encoder_that_needs_the_whole_gets_it(tmp_path):
    path = recording(tmp_path / "a.wav")
    requests = [
        request(tmp_path, "w1", "logmel", {}, "mean"),
        request(tmp_path, "stereo", "stereo_logmel", {}, "mean"),
        request(tmp_path, "near", "logmel", {}, "mean"),
    ]
    assert [in_blocks(each, None) for each in requests] == [False, False, True]
    _, features = hear_long(path, requests, None)
    sound, facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, facts.sample_rate, requests, None)], requests, None)
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)


def test_a_digest_that_is_held_needs_no_features_and_another_one_is_refused(tmp_path):
    path = recording(tmp_path / "a.wav")
    requests = [request(tmp_path, "near", "logmel", {}, "mean")]
    facts, _ = hear_long(path, requests, None)
    assert hear_long(path, requests, None, held=frozenset([facts.sha256])) == (facts, {})
    with pytest.raises(DataError, match=r"a\.wav: changed since it was indexed"):
        hear_long(path, requests, None, sha256="0" * 64)


def test_a_recording_that_is_cut_short_is_refused_and_leaves_no_file(tmp_path):
    path = recording(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-1000])
    folder = tmp_path / "store"
    with pytest.raises(DataError, match=r"a\.wav: cut short"):
        hear_long(path, [request(folder, "near", "logmel", {}, "mean")], None)
    assert [left for left in folder.rglob("*") if left.is_file()] == []


def test_one_whose_samples_are_not_finite_in_a_late_block_is_refused(tmp_path):
    sound = np.zeros(30_000, np.float32)
    sound[29_000] = np.nan
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: holds samples that are not finite"):
        hear_long(tmp_path / "a.wav", [request(tmp_path, "near", "logmel", {}, "mean")], None)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = recording(tmp_path / "a.wav")
    spooled = long_clips._spooled

    def meanwhile(*arguments):
        sounds = spooled(*arguments)
        path.write_bytes(path.read_bytes() + b"x")
        return sounds

    monkeypatch.setattr(long_clips, "_spooled", meanwhile)
    with pytest.raises(DataError, match=r"a\.wav: changed while it was read"):
        hear_long(path, [request(tmp_path, "near", "logmel", {}, "mean")], None)
