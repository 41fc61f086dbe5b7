"""One sound has one digest, whichever lossless format and header it comes in; another sound has another."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from asdcore.data.recordings import audio
from asdcore.data.recordings.audio import inspect_audio
from asdcore.data.recordings.sound_digest import SoundDigest

RATE = 16000
SAMPLES = np.random.default_rng(0).integers(-20000, 20000, (2000, 2)).astype(np.int16)


def written(path, samples, subtype, rate=RATE, kind=None):
    soundfile.write(path, samples, rate, subtype=subtype, format=kind)
    return inspect_audio(path)


def test_formats_that_hold_the_same_16_bit_samples_have_one_digest_and_files_of_their_own(tmp_path):
    facts = [
        written(tmp_path / "a.wav", SAMPLES, "PCM_16"),
        written(tmp_path / "a.flac", SAMPLES, "PCM_16"),
        written(tmp_path / "b.wav", SAMPLES, "PCM_24"),
        written(tmp_path / "b.flac", SAMPLES, "PCM_24"),
        written(tmp_path / "c.wav", SAMPLES, "PCM_16", kind="WAVEX"),
        written(tmp_path / "d.wav", SAMPLES, "PCM_32"),
        written(tmp_path / "e.wav", SAMPLES / 32768.0, "FLOAT"),
        written(tmp_path / "f.wav", SAMPLES / 32768.0, "DOUBLE"),
    ]
    assert len({each.sound for each in facts}) == 1
    assert len({each.sha256 for each in facts}) == len(facts)


def test_24_bits_are_told_apart_from_16_and_are_the_same_in_wav_and_flac(tmp_path):
    fine = SAMPLES.astype(np.int32) * 65536 + 256
    wav, flac = written(tmp_path / "a.wav", fine, "PCM_24"), written(tmp_path / "a.flac", fine, "PCM_24")
    assert wav.sound == flac.sound != written(tmp_path / "b.wav", SAMPLES, "PCM_16").sound


@pytest.mark.parametrize("changed", ["sample", "rate", "channels", "shorter"])
def test_whatever_is_heard_counts(tmp_path, changed):
    other, rate = SAMPLES.copy(), RATE
    if changed == "sample":
        other[7, 1] += 1
    elif changed == "rate":
        rate += 1
    elif changed == "channels":
        other = other.reshape(-1, 1)
    else:
        other = other[:-1]
    first, second = written(tmp_path / "a.wav", SAMPLES, "PCM_16"), written(tmp_path / "b.wav", other, "PCM_16", rate)
    assert first.sound != second.sound


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_whole_numbers_have_one_digest_as_integers_and_as_floats(values):
    block = np.array(values, np.int16)[:, None]
    digests = [SoundDigest(RATE, 1) for _ in range(2)]
    digests[0].update(block)
    digests[1].update(block.astype(np.float32) / np.float32(32768))
    assert digests[0].hexdigest() == digests[1].hexdigest()


def test_minus_zero_is_zero_and_full_scale_is_not_one_step_less():
    def digest(values):
        made = SoundDigest(RATE, 1)
        made.update(np.array(values, np.float32)[:, None])
        return made.hexdigest()

    assert digest([-0.0, 0.1]) == digest([0.0, 0.1])
    assert digest([-0.0, 0.5]) == digest([0.0, 0.5])
    assert digest([1.0]) != digest([32767 / 32768])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_part_of_a_file_has_the_digest_of_a_file_cut_to_it(tmp_path, monkeypatch, subtype):
    monkeypatch.setattr(audio, "BLOCK", 700)  # so that parts have several blocks
    written(tmp_path / "a.wav", SAMPLES / 32768.0, subtype)
    written(tmp_path / "a.flac", SAMPLES, "PCM_16")
    stretch = written(tmp_path / "b.flac", SAMPLES[160:1600], "PCM_16").sound
    channel = written(tmp_path / "c.wav", SAMPLES[160:1600, 1], "PCM_16").sound
    for whole in ("a.wav", "a.flac"):
        assert inspect_audio(tmp_path / f"{whole}#t=0.01-0.1").sound == stretch
        assert inspect_audio(tmp_path / f"{whole}#t=0.01-0.1&channel=2").sound == channel
        assert inspect_audio(tmp_path / f"{whole}#t=0.01-0.1&channel=1").sound != channel


def test_loggers_files_of_the_same_numbers_have_one_digest(tmp_path):
    values = np.random.default_rng(0).normal(0, 3, 500)
    savemat(tmp_path / "a.mat", {"x": values, "fs": 16000.0})
    savemat(tmp_path / "b.mat", {"x": values, "y": -values, "fs": 16000.0}, do_compression=True)
    savemat(tmp_path / "c.mat", {"x": values[:400], "fs": 16000.0})
    first, second, cut = (inspect_audio(tmp_path / f"{name}.mat#channel=x").sound for name in "abc")
    assert first == second != cut == inspect_audio(tmp_path / "b.mat#t=0-0.025&channel=x").sound
    assert first != inspect_audio(tmp_path / "b.mat#channel=y").sound
