"""The same recordings under other names, and some of them, as links."""

from __future__ import annotations

import os

import polars as pl
import pytest

import asdcore
from asdcore.frozen.rerun import recording_links
from asdcore.frozen.rerun.recording_links import others, place_beside, plant


@pytest.fixture
def root(tmp_path, make_dataset):
    return make_dataset(tmp_path / "data", source=3, target=1, test=2)


@pytest.fixture
def clips(root):
    return asdcore.load_dataset("dcase").clips(root)


def test_a_name_that_says_normal_stands_on_a_sound_that_was_named_anomaly(clips):
    exchanged, *_ = others(clips)
    test = clips.filter(pl.col("split") == "test")["clip"].to_list()
    assert sorted(exchanged.sounds) == sorted(exchanged.sounds.values()) == sorted(clips["clip"])
    for there, here in exchanged.sounds.items():
        if there in test:
            assert ("normal" in there) == ("anomaly" in here)
            assert ("source" in there) == ("target" in here)
            assert there.split("/")[0] == here.split("/")[0]
        else:
            assert there == here


def test_the_halves_share_no_test_clip_and_have_all_of_them(clips):
    _, one, other = others(clips)
    train = set(clips.filter(pl.col("split") == "train")["clip"])
    assert set(one.sounds) & set(other.sounds) == train
    assert set(one.sounds) | set(other.sounds) == set(clips["clip"])
    assert abs(len(one.sounds) - len(other.sounds)) <= 2


def test_of_one_test_clip_there_is_one_half_and_without_any_nothing_but_the_train_clips(clips):
    train, test = (clips.filter(pl.col("split") == split) for split in ("train", "test"))
    assert len(others(pl.concat([train, test[:1]]))) == 2
    assert [set(one.sounds) for one in others(train)] == []


def test_names_are_exchanged_among_sounds_of_one_format(clips):
    flac = clips.with_columns(
        clip=pl.when(pl.col("clip").str.contains("0001")).then(pl.col("clip").str.replace(".wav", ".FLAC"))
        .otherwise("clip")
    )  # fmt: skip
    for there, here in others(flac)[0].sounds.items():
        assert there[-4:] == here[-4:]


@pytest.mark.parametrize("linked", [True, False])
def test_a_tree_holds_the_sounds_and_what_is_no_sound(root, clips, tmp_path, monkeypatch, linked):
    def refused(*_):
        raise OSError

    if not linked:
        monkeypatch.setattr(os, "link", refused)
    (root / "fan" / "attributes.csv").write_text("a,b\n")
    (root / "fan" / "supplemental").mkdir()
    (root / "fan" / "supplemental" / "noise.wav").write_bytes(b"x")
    exchanged, half, _ = others(clips)
    for way in (exchanged, half):
        tree = tmp_path / "trees" / way.how
        plant(root, tree, way.sounds)
        found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
        assert found == {*way.sounds, "fan/attributes.csv"}
        assert not any(path.is_symlink() for path in tree.rglob("*"))
        for there, here in way.sounds.items():
            assert (tree / there).read_bytes() == (root / here).read_bytes()


def test_a_linked_recording_is_linked_by_what_it_leads_to(root, clips, tmp_path):
    (tmp_path / "links" / "fan").mkdir(parents=True)
    for machine in ("3DPrinter", "fan"):
        for split in ("train", "test"):
            folder = tmp_path / "links" / machine / split
            folder.mkdir(parents=True)
            for clip in (root / machine / split).iterdir():
                (folder / clip.name).symlink_to(clip)
    plant(tmp_path / "links", tmp_path / "tree", others(clips)[0].sounds)
    assert not any(path.is_symlink() for path in (tmp_path / "tree").rglob("*"))


def test_a_place_on_the_same_disk_is_taken(root, tmp_path):
    assert place_beside(root, [tmp_path / "absent", tmp_path]) == tmp_path
    assert place_beside(root, [tmp_path / "absent"]) is None
    assert recording_links.Other("so", {}).how == "so"
