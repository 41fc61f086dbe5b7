"""Copies are recognized by bytes and by sound: whole recordings, and what is cut from them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import soundfile

from asdcore.basics.recording_parts import part_digest
from asdcore.data.clip_index.same_sound import copies, cut_from, with_sounds
from asdcore.data.recordings import audio
from asdcore.data.recordings.audio import decode_new, inspect_audio

RATE = 16000


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """A wav, its FLAC under another name, and another sound."""
    root = tmp_path_factory.mktemp("hall")
    samples = (np.random.default_rng(0).normal(size=3 * RATE) * 3000).astype(np.int16)
    soundfile.write(root / "a.wav", samples, RATE, subtype="PCM_16")
    soundfile.write(root / "copy.flac", samples, RATE, subtype="PCM_16")
    soundfile.write(root / "other.wav", samples[::-1], RATE, subtype="PCM_16")
    return root


def listed(root, *names):
    """Rows of a clip index."""
    digests = [part_digest(name, inspect_audio(root / name.partition("#")[0]).sha256) for name in names]
    return pl.DataFrame({"clip": names, "sha256": digests})


def test_a_copy_in_another_format_sounds_the_same_and_has_other_bytes(hall):
    clips = with_sounds(listed(hall, "a.wav", "copy.flac", "other.wav"), hall, in_windows=False)
    (sha256, sound), *_ = clips.select("sha256", "sound").rows()
    assert copies(clips, [sha256], []) == {"a.wav"}
    assert copies(clips, [], [sound]) == {"a.wav", "copy.flac"}
    assert copies(clips.drop("sound"), [], [sound]) == set()


def test_windows_at_the_same_place_of_two_formats_are_the_same(hall):
    names = [f"{file}#t={start}-{start + 1}" for file in ("a.wav", "copy.flac", "other.wav") for start in (0, 1)]
    clips = with_sounds(listed(hall, *names), hall, in_windows=True)
    own = clips.filter(pl.col("clip").str.starts_with("a.wav"))
    assert copies(clips, [], own["sound"].to_list()) == set(names[:4])
    assert copies(clips, [], own["sound"].to_list()[:1]) == {names[0], names[2]}


def test_what_is_cut_from_a_recording_is_told_by_that_recording(hall):
    facts = inspect_audio(hall / "a.wav")
    names = ["a.wav#t=0-1", "copy.flac#t=0-1", "copy.flac#t=1-2", "other.wav#t=0-1", "copy.flac"]
    clips = with_sounds(listed(hall, *names), hall, in_windows=True)
    assert cut_from(clips, [facts.sha256], []) == {"a.wav#t=0-1"}
    assert cut_from(clips, [], [facts.sound]) == set(names[:3])


def test_a_recording_that_is_gone_or_another_has_no_sound(hall):
    clips = listed(hall, "a.wav", "other.wav").with_columns(sha256=pl.Series(["0" * 64, None]))
    assert with_sounds(clips, hall, in_windows=False)["sound"].to_list() == [None, None]
    assert with_sounds(listed(hall, "a.wav"), hall / "elsewhere", in_windows=False)["sound"].to_list() == [None]


@pytest.mark.parametrize("n_samples", [999, 1000, 1001, 2000])
def test_whoever_reads_a_recording_digests_the_same_sound(tmp_path, monkeypatch, n_samples):
    monkeypatch.setattr(audio, "BLOCK", 1000)
    path = tmp_path / "a.wav"
    sound = np.random.default_rng(n_samples).integers(-30000, 30000, (n_samples, 2)).astype(np.int16)
    soundfile.write(path, sound, RATE)
    expected = inspect_audio(path).sound
    assert decode_new(path)[1].sound == expected
