"""Repeated sounds and very different lengths are told, machine by machine."""

from __future__ import annotations

import json
import shutil

import polars as pl

import asdcore
from asdcore.cli.data import index as list_data
from asdcore.data.clip_index.noticed import Noticed
from asdcore.data.clip_index.remarks import remarks_on
from asdcore.store.tables import CLIP_INDEX


def index(*rows):
    """A clip index of (clip, digest, seconds)."""
    made = []
    for clip, sha256, seconds in rows:
        machine, split, _ = clip.split("/")
        domain = "source" if split == "train" else None
        made.append((clip, machine, "00", split, domain, None, 1, 16000, int(16000 * seconds), sha256))
    return pl.DataFrame(
        made, schema={name: CLIP_INDEX.columns[name] for name in list(CLIP_INDEX.columns)[:10]}, orient="row"
    )


def test_files_that_end_in_a_part_of_a_sample_are_named():
    clips = index(("fan/train/a", "1", 10), ("fan/train/b", "2", 10))
    assert remarks_on(clips, Noticed()) == []
    assert remarks_on(clips, Noticed(rests={"b.wav": 3, "a.wav": 1})) == [
        "2 wav files end in a part of a sample (such as a.wav: 1 byte, b.wav: 3 bytes), which is left out. Whatever "
        "wrote them may have cut them there."
    ]


def test_nothing_to_say():
    assert remarks_on(index(("fan/train/a", "1", 10), ("fan/train/b", "2", 10), ("fan/test/c", "3", 12))) == []


def test_a_test_clip_that_is_a_train_clip_is_named_with_it():
    (remark,) = remarks_on(index(("fan/train/a", "1", 10), ("fan/test/c", "1", 10), ("fan/test/d", "2", 10)))
    assert remark.startswith("fan: 1 test clip has the very bytes of a train clip (fan/test/c is fan/train/a)")


def test_a_test_clip_that_sounds_like_a_train_clip_in_another_format_is_named_with_it():
    clips = index(("fan/train/a", "1", 10), ("fan/train/b", "2", 10), ("fan/test/c", "3", 10))
    sounds = {"fan/train/a": "s", "fan/train/b": "t", "fan/test/c": "s"}
    (remark,) = remarks_on(clips, Noticed(sounds=sounds))
    assert remark.startswith("fan: 1 test clip has the very sound of a train clip (fan/test/c is fan/train/a)")
    (remark,) = remarks_on(clips, Noticed(sounds={**sounds, "fan/train/b": "s", "fan/test/c": "t"}))
    assert "2 train clips repeat 1 sound sample for sample, in other files (such as fan/train/a, fan/train/b)" in remark


def test_a_window_of_a_train_recording_in_another_format_is_named_with_it():
    spans = ("#t=0-1", "#t=1-2")
    rows = [(f"fan/train/a.wav{span}", f"a{span}", 1) for span in spans]
    rows += [(f"fan/test/c.flac{span}", f"c{span}", 1) for span in spans]
    (remark,) = remarks_on(index(*rows), Noticed(sounds={"fan/train/a.wav": "5" * 64, "fan/test/c.flac": "5" * 64}))
    assert remark.startswith(
        "fan: 2 test clips have the very sound of a train clip (fan/test/c.flac#t=0-1 is fan/train/"
    )
    assert remarks_on(index(*rows), Noticed(sounds={"fan/train/a.wav": "5" * 64, "fan/test/c.flac": "6" * 64})) == []


def test_it_may_be_the_train_clip_of_another_machine():
    (remark,) = remarks_on(index(("fan/train/a", "1", 10), ("valve/test/c", "1", 10)))
    assert remark.startswith("valve: 1 test clip")


def test_repeated_train_clips_are_counted():
    rows = [(f"fan/train/{i}", str(i % 2), 10) for i in range(6)]
    (remark,) = remarks_on(index(*rows, ("fan/train/x", "7", 10)))
    assert remark.startswith("fan section 00: 6 train clips repeat 2 sounds byte for byte (such as fan/train/0, fan/")


def test_repeated_test_clips_are_no_matter():
    assert remarks_on(index(("fan/test/a", "1", 10), ("fan/test/b", "1", 10))) == []


def test_lengths_that_differ_much_are_told():
    (remark,) = remarks_on(index(("fan/train/a", "1", 3), ("fan/test/b", "2", 60), ("valve/train/a", "3", 10)))
    assert remark.startswith("fan: clips last from 3 to 60 s.")


def test_what_is_not_known_yet_is_passed_over():
    clips = index(("fan/train/a", "1", 10), ("fan/test/b", "1", 10))
    unknown = clips.with_columns(sha256=pl.lit(None, pl.String), n_samples=pl.lit(None, pl.Int64))
    assert remarks_on(unknown) == []


def test_index_and_run_name_them(make_dataset, tmp_path, capsys):
    data = make_dataset(tmp_path / "data", ("fan",), source=4, target=2, test=2)
    first, second = sorted((data / "fan" / "train").iterdir())[:2]
    shutil.copy(first, second)
    list_data(data, task="dcase2026", as_json=False)
    assert "note: fan section 00: 2 train clips repeat 1 sound byte for byte" in capsys.readouterr().out
    list_data(data, task="dcase2026", as_json=True)
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 1
    run = asdcore.run("logmel-knn", data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    assert any("2 train clips repeat 1 sound" in note for note in run.about["notes"])


def test_clips_of_a_dead_microphone_are_told_by_split_and_channel():
    clips = index(("fan/test/a", "1", 10), ("fan/test/b", "2", 10), ("fan/train/c", "3", 10), ("fan/train/d", "4", 10))
    clips = clips.with_columns(channels=pl.Series([1, 1, 2, 2], dtype=clips.schema["channels"]))
    test, train = remarks_on(clips, Noticed(still={"fan/test/a": 1, "fan/test/b": 1, "fan/train/d": 2}))
    assert test == (
        "fan: 2 test clips have one value throughout (such as fan/test/a, fan/test/b), as of a dead microphone: a "
        "score says nothing of the machine. Such clips are scored all the same."
    )
    assert train.startswith("fan: 1 train clip has one value throughout in channel 2 (such as fan/train/d)")
    assert train.endswith(
        "silence is normal to what learns from it. Leave such clips out, or the channel by another view."
    )
