"""Every sound file below a folder is found by its name, whatever that is."""

from __future__ import annotations

import os

from asdcore.frozen.pinning.recording_names import as_text, sounds_below


def below(folder):
    return set().union(*sounds_below(folder))


def test_sounds_are_found_and_nothing_hidden_or_silent(tmp_path):
    names = ["fan/test/a.wav", "fan/test/B.WAV", "c.flac", "pump/ü/d.wav", "fan/notes.txt", ".e.wav", ".f/g.wav", "wav"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert below(tmp_path) == {"fan/test/a.wav", "fan/test/B.WAV", "c.flac", "pump/ü/d.wav"}


def test_each_folder_comes_by_itself_in_the_order_of_names(tmp_path):
    for name in ("b/2.wav", "a/1.wav", "b/c/3.wav", "b/1.wav", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(sounds_below(tmp_path)) == [{"a/1.wav"}, {"b/1.wav", "b/2.wav"}, {"b/c/3.wav"}]


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fan").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    assert below(tmp_path / "data") == {"fan/a.wav"}


def test_sounds_are_found_however_deep_they_lie(tmp_path):
    name = "fan/train/2026/11/29/07/00/a.wav"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"")
    assert below(tmp_path) == {name}


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert below(tmp_path / "nowhere") == set()


def test_bytes_that_are_no_unicode_can_be_shown_and_kept(tmp_path):
    (tmp_path / os.fsdecode(b"gr\xf6\xdfe.wav")).write_bytes(b"")
    assert below(tmp_path) == {r"gr\xf6\xdfe.wav"}
    assert as_text("größe.wav") == "größe.wav"
    assert as_text(as_text(os.fsdecode(b"\xff"))) == r"\xff"
