"""The clip index: what it holds, and that all that is wrong is said at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from asdcore.data.clip_index import clips as clips_module
from asdcore.data.clip_index.clips import count_clips, index_clips, looked_at
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DatasetError
from asdcore.store.tables import AUDIO_FACTS, CLIP_INDEX


def sound(root: Path, clip: str, channels: int = 1, rate: int = 16000, n: int = 800) -> None:
    path = root / clip
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((n, channels), 0.25), rate, subtype="PCM_16")


def entry(clip: str, domain: str | None = "source", section: str = "00", **more: Any) -> Mapping[str, Any]:
    machine, split, _ = clip.split("/")
    return {"clip": clip, "machine": machine, "section": section, "split": split, "domain": domain, **more}


def small(root: Path, **options: Any) -> list[Mapping[str, Any]]:
    entries = [
        entry("fan/train/b.wav", attributes="spd_3"),
        entry("fan/train/a.wav", "target"),
        entry("fan/test/a.wav", "target", label="anomaly"),
    ]
    for one in entries:
        sound(root, one["clip"], **options)
    return entries


def problems_of(root: Path, entries: list[Mapping[str, Any]], **options: Any) -> list[str]:
    with pytest.raises(DatasetError) as refused:
        index_clips(root, entries, **options)
    assert len(set(refused.value.problems)) == len(str(refused.value).splitlines()) - 1
    assert isinstance(refused.value.clips, pl.DataFrame)
    return refused.value.problems


def test_the_index_is_sorted_typed_and_has_the_audio_facts(tmp_path: Path) -> None:
    index = index_clips(tmp_path, small(tmp_path, channels=2, n=900))
    assert index.schema == CLIP_INDEX.columns
    assert index["clip"].to_list() == ["fan/test/a.wav", "fan/train/a.wav", "fan/train/b.wav"]
    assert index["attributes"].to_list() == [None, None, "spd_3"]
    assert set(index.select("channels", "sample_rate", "n_samples").rows()) == {(2, 16000, 900)}
    for clip, digest in index.select("clip", "sha256").rows():
        assert digest == hashlib.sha256((tmp_path / clip).read_bytes()).hexdigest()


def test_no_label_and_no_test_domain_gets_into_the_index(tmp_path: Path) -> None:
    index = index_clips(tmp_path, small(tmp_path))
    assert "label" not in index.columns
    assert index.select("split", "domain").rows() == [("test", None), ("train", "target"), ("train", "source")]


def test_the_order_of_entries_does_not_matter(tmp_path: Path) -> None:
    entries = small(tmp_path)
    assert index_clips(tmp_path, entries).equals(index_clips(tmp_path, entries[::-1]))


def test_nothing_gives_an_empty_index(tmp_path: Path) -> None:
    index = index_clips(tmp_path, [])
    assert index.schema == CLIP_INDEX.columns
    assert index.is_empty()
    assert count_clips(index) == []


def test_everything_wrong_is_said_at_once_with_the_index_of_all_clips(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("fan/test/c.wav"), entry("pump/test/d.wav"), entry("fan/train/e.wav")]
    (tmp_path / "fan/test/c.wav").write_bytes(b"")
    sound(tmp_path, "pump/test/d.wav")
    sound(tmp_path, "fan/train/e.wav", channels=2, rate=8000)
    with pytest.raises(DatasetError, match=r"6 problems in this dataset") as refused:
        index_clips(tmp_path, entries, problems=["fan/attributes_00.csv: from the reader", "another one"])
    assert refused.value.problems == [
        "fan/attributes_00.csv: from the reader",
        "another one",
        "fan/test/c.wav: empty (0 bytes)",
        "fan/train/e.wav: 2 channels, the other clips of fan have 1",
        "fan/train/e.wav: 8000 Hz, the other clips of fan have 16000 Hz",
        "pump section 00: no train clips, so there is no normal sound to compare its test clips with",
    ]
    assert refused.value.clips["clip"].to_list() == sorted(one["clip"] for one in entries)
    unread = refused.value.clips.filter(pl.col("sha256").is_null())
    assert unread["clip"].to_list() == ["fan/test/c.wav"]


def test_a_missing_file_and_a_folder_named_as_a_clip_are_problems(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("fan/test/gone.wav"), entry("fan/test/x.wav")]
    (tmp_path / "fan/test/x.wav").mkdir()
    assert problems_of(tmp_path, entries) == [
        "fan/test/gone.wav: cannot be read (No such file or directory)",
        "fan/test/x.wav: cannot be read (Is a directory)",
    ]


def test_a_name_must_say_one_clip(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("fan/train/a.flac")]
    sound(tmp_path, "fan/train/a.flac")
    assert problems_of(tmp_path, entries) == [
        "fan/train/a.flac: another train clip of fan has the same name",
        "fan/train/a.wav: another train clip of fan has the same name",
    ]
    twice = [*entries[:3], entries[0]]
    assert problems_of(tmp_path, twice) == ["fan/train/b.wav: another train clip of fan has the same name"] * 2


@pytest.mark.parametrize("long", [{"machine": "ä" * 100}, {"section": "7" * 199}])
def test_names_of_files_can_be_made_of_machine_and_section(tmp_path: Path, long: dict[str, str]) -> None:
    entries = small(tmp_path)
    (problem,) = problems_of(tmp_path, [{**one, **long} for one in entries])
    assert re.search(r"^(ä+ section 00|fan section 7+): these names have 202 bytes; .* 200 are allowed$", problem)
    fitting = {key: name[2:] for key, name in long.items()}
    assert len(index_clips(tmp_path, [{**one, **fitting} for one in entries])) == 3


@pytest.mark.parametrize("odd", [{"machine": "a\nb"}, {"machine": "\x1b[31mfan"}, {"section": "0\t1"}])
def test_a_machine_and_a_section_can_be_shown_on_a_line(tmp_path: Path, odd: dict[str, str]) -> None:
    (problem,) = problems_of(tmp_path, [{**one, **odd} for one in small(tmp_path)])
    assert problem.isprintable()
    assert problem.endswith(": no line shows such a name as it is; use letters and digits")


def test_the_channels_of_a_task_hold_for_every_machine(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("pump/train/a.wav"), entry("pump/train/b.wav")]
    sound(tmp_path, "pump/train/a.wav", channels=2)
    sound(tmp_path, "pump/train/b.wav", channels=1)
    assert problems_of(tmp_path, entries, channels=2) == [
        "fan: all 3 clips have 1 channel, this task has 2",
        "pump/train/b.wav: 1 channel, this task has 2",
    ]
    sound(tmp_path, "pump/train/b.wav", channels=2)
    index = index_clips(tmp_path, entries)
    assert dict(index.select("machine", "channels").unique().rows()) == {"fan": 1, "pump": 2}


def test_each_section_needs_train_clips(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("fan/test/b.wav", section="01")]
    sound(tmp_path, "fan/test/b.wav")
    assert problems_of(tmp_path, entries) == [
        "fan section 01: no train clips, so there is no normal sound to compare its test clips with"
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"domain": None}, "a train clip whose domain is None, it must be 'source' or 'target'"),
        ({"domain": "near"}, "a train clip whose domain is 'near', it must be 'source' or 'target'"),
        ({"split": "eval"}, "its split is 'eval', it must be 'train' or 'test'"),
        ({"split": None}, "its split is None, it must be 'train' or 'test'"),
    ],
)
def test_a_reader_that_uses_other_words_is_told_so(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    first, *others = small(tmp_path)
    assert problems_of(tmp_path, [{**first, **change}, *others]) == [f"fan/train/b.wav: {problem}"]


def test_every_file_is_read_once(tmp_path: Path, calls_of: Any) -> None:
    entries = small(tmp_path)
    read = calls_of(clips_module, "inspect_audio")
    index_clips(tmp_path, entries)
    assert sorted(read) == sorted(tmp_path / entry["clip"] for entry in entries)


def test_counts_are_by_machine_section_and_split_with_unknown_domains_in_neither(tmp_path: Path) -> None:
    entries = [*small(tmp_path), entry("fan/train/c.wav", section="01"), entry("bearing/train/a.wav", "target")]
    for one in entries[3:]:
        sound(tmp_path, one["clip"])
    found = [tuple(row.values()) for row in count_clips(index_clips(tmp_path, entries))]
    assert found == [
        ("bearing", "00", "train", 1, 0, 1),
        ("fan", "00", "train", 2, 1, 1),
        ("fan", "00", "test", 1, 0, 0),
        ("fan", "01", "train", 1, 1, 0),
    ]


def test_clips_that_were_looked_at_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = small(tmp_path)
    whole = index_clips(tmp_path, entries)
    facts = {one["clip"]: inspect_audio(tmp_path / one["clip"]) for one in entries}
    monkeypatch.setattr(clips_module, "inspect_audio", lambda *_: pytest.fail("read"))
    with looked_at(facts):
        assert index_clips(tmp_path, entries).equals(whole)
    with looked_at({}):
        names = index_clips(tmp_path, entries)
    assert names.schema == CLIP_INDEX.columns
    assert names.drop(list(AUDIO_FACTS)).equals(whole.drop(list(AUDIO_FACTS)))
    assert all(names[fact].is_null().all() for fact in AUDIO_FACTS)
    with pytest.raises(pytest.fail.Exception):
        index_clips(tmp_path, entries)


def test_what_is_wrong_with_clips_that_were_looked_at_is_said_with_all_the_rest(tmp_path: Path) -> None:
    entries = small(tmp_path)
    facts: dict[str, AudioFacts | str] = {one["clip"]: inspect_audio(tmp_path / one["clip"]) for one in entries}
    facts["fan/train/b.wav"] = AudioFacts(2, 8000, 800, "0" * 64)
    facts["fan/test/a.wav"] = "a.wav: empty (0 bytes)"
    with looked_at(facts):
        assert problems_of(tmp_path, entries, problems=["from the reader"]) == [
            "from the reader",
            "fan/test/a.wav: empty (0 bytes)",
            "fan/train/b.wav: 2 channels, the other clips of fan have 1",
            "fan/train/a.wav: 16000 Hz, the other clips of fan have 8000 Hz",
        ]


def test_a_section_whose_normal_sound_was_frozen_needs_no_train_clips(tmp_path: Path) -> None:
    entries = [entry("fan/test/a.wav", None), entry("pump/test/a.wav", None, section="03")]
    with looked_at({}):
        assert len(index_clips(tmp_path, entries)) == 2
    for one in entries:
        sound(tmp_path, one["clip"])
    assert len(problems_of(tmp_path, entries)) == 2
