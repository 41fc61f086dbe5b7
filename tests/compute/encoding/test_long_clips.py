"""A long recording is encoded as it is read, with the features of a recording in memory, to the bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdcore.compute.encoding import built_encoders, encoding, long_clips, spooled_sound
from asdcore.compute.encoding.long_clips import hear_long, in_blocks, waveform_in_blocks
from asdcore.compute.encoding.requests import Output, Request
from asdcore.contract.tokens import Tokens
from asdcore.data.features import pooling_blocks
from asdcore.data.recordings import audio, file_content
from asdcore.data.recordings.audio import decode_new
from asdcore.errors import DataError, PluginError, PortfolioError

ENCODERS = [
    ("near", "logmel", {"n_fft": 400, "hop": 160, "n_mels": 20}),
    ("far", "melspec", {}),
    ("mean", "psd_shape", {"n_fft": 1000}),
    ("difference", "modulation", {"n_fft": 128}),
    ("w1", "logmel", {}),
    ("wiener", "logmel", {}),
    ("spectral_subtraction", "melspec", {}),
    ("stereo", "coherence", {"n_fft": 256, "hop": 100, "seconds": 0.3}),
    ("stereo", "stereo_logmel", {"n_fft": 256, "hop": 64, "seconds": 0.1, "n_mels": 20}),
]


def request(folder: Path, view: str, encoder: str, parameters: dict, *poolings: str) -> Request:
    of_encoder = json.dumps(parameters)
    outputs = tuple(Output(None, name, "{}", folder / f"{view}-{encoder}-{name}") for name in poolings)
    return Request(view, "{}", encoder, of_encoder, outputs)


def recording(path: Path, n_samples: int = 30_000, rate: int = 22050, silent: slice = slice(0), **how: str) -> Path:
    sound = 0.1 * np.random.default_rng(0).normal(size=(n_samples, 2))
    sound[:, silent] = 0.25
    soundfile.write(path, sound, rate, **how)
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks so small that short recordings have many."""
    monkeypatch.setattr(file_content, "LARGE", 1000)
    monkeypatch.setattr(audio, "BLOCK", 7001)
    monkeypatch.setattr(pooling_blocks, "AT_ONCE", 1 << 12)
    front_ends = "asdcore_plugins.nn.front_ends"
    monkeypatch.setattr(f"{front_ends}.envelopes.IN_MEMORY", 1000)
    monkeypatch.setattr(f"{front_ends}.spooled_mels.AT_ONCE", 300)
    monkeypatch.setattr(f"{front_ends}.stft_blocks.AT_ONCE", 1000)


@pytest.mark.parametrize(
    ("suffix", "rate", "how"),
    [
        (".wav", 16000, {"subtype": "PCM_16"}),
        (".wav", 44100, {"subtype": "FLOAT"}),
        (".flac", 22050, {"subtype": "PCM_16"}),
    ],
)
def test_blocks_give_the_features_of_the_whole(tmp_path, monkeypatch, suffix, rate, how):
    path = recording(tmp_path / f"a{suffix}", rate=rate, **how)
    requests = [request(tmp_path, *names, "mean", "mean_std", "max") for names in ENCODERS]
    assert all(in_blocks(each, None) for each in requests)
    sound, expected_facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, rate, requests, None)], requests, None)
    # The recording has one block of short-time spectra at the usual size, and then several.
    monkeypatch.setattr("asdcore_plugins.nn.front_ends.stft_blocks.TOGETHER", 10)
    monkeypatch.setattr("asdcore_plugins.nn.front_ends.cross_spectra.TOGETHER", 10)
    facts, features = hear_long(path, requests, None)
    assert (facts, facts.sound) == (expected_facts, expected_facts.sound)
    assert features.keys() == expected.keys()
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)


@pytest.mark.parametrize("n_samples", [1, 127, 7000, 7001, 7002, 14002])
def test_recordings_that_end_at_a_block_or_beside_it(tmp_path, n_samples):
    path = recording(tmp_path / "a.wav", n_samples)
    requests = [request(tmp_path, *names, "mean") for names in ENCODERS[:4]]
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


@pytest.mark.parametrize("silent", [slice(1), slice(1, 2), slice(2)])
def test_silent_channels_give_the_features_of_the_whole_and_are_noticed(tmp_path, silent):
    path = recording(tmp_path / "a.wav", 300_000, 16000, silent=silent)
    requests = [request(tmp_path, *names, "mean") for names in ENCODERS[4:]]
    facts, features = hear_long(path, requests, None)
    sound, expected_facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, facts.sample_rate, requests, None)], requests, None)
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)
    assert facts.still == expected_facts.still == {1: 1, 2: 3}.get(silent.stop if silent.start is None else 0, 2)
    assert hear_long(path, requests, None, held=frozenset([facts.sha256])) == (facts, {})


@pytest.fixture
def holds_it_whole(monkeypatch):
    """Let the encoder of a request have no way to read in blocks."""

    def change(request: Request, longest: float | None = None) -> None:
        encoder = built_encoders.built_encoder(request, None)
        monkeypatch.setattr(encoder, "encode_blocks", None)
        monkeypatch.setattr(encoder, "longest", longest, raising=False)

    return change


def test_an_encoder_that_needs_the_whole_gets_it(tmp_path, holds_it_whole):
    path = recording(tmp_path / "a.wav")
    requests = [request(tmp_path / str(n), "near", "logmel", {"n_mels": n}, "mean") for n in (30, 31)]
    holds_it_whole(requests[0])
    assert [in_blocks(each, None) for each in requests] == [False, True]
    _, features = hear_long(path, requests, None)
    sound, facts = decode_new(path)
    (expected,) = encoding.encode([encoding.prepare(sound, facts.sample_rate, requests, None)], requests, None)
    assert all(features[output].tobytes() == expected[output].tobytes() for output in expected)


def test_a_recording_beyond_what_an_encoder_allows_is_refused_before_it_is_decoded(
    tmp_path, holds_it_whole, monkeypatch
):
    path = recording(tmp_path / "a.wav", 44100)
    requests = [request(tmp_path, "near", "logmel", {"n_mels": 32}, "mean")]
    holds_it_whole(requests[0], longest=1.5)
    monkeypatch.setattr(long_clips, "_spooled", None)
    words = (
        r"lasts 2 s\. Encoder 'logmel' hears a clip at once, and its memory allows 1\.5 s\. --seconds 10 \(or "
        r"\[windows\] seconds = 10 in the portfolio\) makes clips of its windows\."
    )
    with pytest.raises(DataError, match=rf"^a\.wav: {words}$"):
        hear_long(path, requests, None)
    sound, facts = decode_new(path)
    with pytest.raises(DataError, match=words):
        encoding.prepare(sound, facts.sample_rate, requests, None)


def test_samples_beyond_what_is_held_are_refused_before_they_are_decoded(tmp_path, holds_it_whole, monkeypatch):
    path = recording(tmp_path / "a.wav", 44100)
    requests = [request(tmp_path, "near", "logmel", {"n_mels": 33}, "mean")]
    holds_it_whole(requests[0])
    monkeypatch.setattr("asdcore.compute.encoding.held_whole.HELD", 4 * 2 * 44100 - 1)
    monkeypatch.setattr(long_clips, "_spooled", None)
    with pytest.raises(DataError, match=r"^a\.wav: lasts 2 s\. View 'near' with encoder 'logmel' needs it in memory"):
        hear_long(path, requests, None)


def test_special_tokens_come_once(tmp_path, monkeypatch):
    path = recording(tmp_path / "a.wav", 44100)
    (pooled,) = requests = [request(tmp_path, "near", "logmel", {"n_mels": 34}, "cls", "mean")]
    patches, special = np.ones((1, 1, 2, 1), np.float32), np.array([[[1.0, 2.0], [3.0, 6.0]]], np.float32)
    given = [Tokens(patches), Tokens(patches, special)]
    encoder = built_encoders.built_encoder(pooled, None)
    monkeypatch.setattr(encoder, "encode_blocks", lambda sound, layers: ({0: block} for block in given))
    _, features = hear_long(path, requests, None)
    assert [features[output].tolist() for output in pooled.outputs] == [[2.0, 4.0], [1.0, 1.0]]
    given.append(Tokens(patches, special))
    with pytest.raises(PluginError, match="special tokens twice"):
        hear_long(path, requests, None)
    del given[1:]
    with pytest.raises(PortfolioError, match="pooling 'cls' needs special tokens, and there are none"):
        hear_long(path, requests, None)


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


@pytest.mark.parametrize("view", ["near", "mean", "wiener", "stereo"])
@pytest.mark.parametrize("rate", [22050, 16000])
def test_the_waveform_that_a_training_hears_is_the_same_in_blocks(tmp_path, monkeypatch, view, rate):
    monkeypatch.setattr(spooled_sound, "BLOCK", 7000)
    path = recording(tmp_path / "a.wav")
    sound, facts = decode_new(path)
    whole = encoding.resampled(encoding.waveform(view, "{}", sound, facts.sample_rate), facts.sample_rate, rate)
    with waveform_in_blocks(path, facts.sha256, (view, "{}", rate), tmp_path / "temporary") as (shape, portions):
        portions = list(portions)
    content = np.concatenate(portions)
    assert max(map(len, portions)) == 7000
    assert (content.dtype, shape, content.tobytes()) == (whole.dtype, whole.shape, whole.tobytes())
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_waveform_of_a_recording_that_has_changed_is_refused(tmp_path):
    waveform = waveform_in_blocks(recording(tmp_path / "a.wav"), "00", ("near", "{}", 16000), tmp_path)
    with pytest.raises(DataError, match=r"a\.wav: changed since it was indexed"), waveform:
        pass
