"""The reader of folders of one's own: what folders say, what is refused, and that names say nothing."""

from __future__ import annotations

import pytest

from asdcore.components.readers import left_out_by
from asdcore.errors import DatasetError
from asdcore_plugins.datasets.folder import FolderReader

READER = FolderReader()


def told(root, *columns):
    return READER.clips(root).select("clip", *columns).rows()


def test_folders_say_machine_split_domain_and_condition(tmp_path, lay):
    root = lay(
        tmp_path,
        "pump/train/Montag 7 Uhr.wav",
        "pump/train/target/x.wav",
        "pump/train/2 bar/y.wav",
        "fan/Train/z.flac",
        "fan/test/z.flac",
    )
    assert told(root, "machine", "section", "split", "domain", "attributes") == [
        ("fan/Train/z.flac", "fan", "00", "train", "source", None),
        ("fan/test/z.flac", "fan", "00", "test", None, None),
        ("pump/train/2 bar/y.wav", "pump", "00", "train", "source", "2 bar"),
        ("pump/train/Montag 7 Uhr.wav", "pump", "00", "train", "source", None),
        ("pump/train/target/x.wav", "pump", "00", "train", "target", None),
    ]


@pytest.mark.parametrize(
    ("clip", "label", "domain"),
    [
        ("pump/test/normal/a.wav", 0, None),
        ("pump/test/Good/a.wav", 0, None),
        ("pump/test/bearing/a.wav", 1, None),
        ("pump/test/target/bearing/a.wav", 1, "target"),
        ("pump/test/normal/source/a.wav", 0, "source"),
        ("pump/test/normal/monday/a.wav", 0, None),
        ("pump/test/normal/2026-11-29/a.wav", 0, None),
        ("pump/test/2026-11-29T07/normal/a.wav", 0, None),
        ("pump/test/bearing/2026/11/29/07/a.wav", 1, None),
        ("pump/test/bearing/broken/a.wav", 1, None),
    ],
)
def test_folders_of_test_clips_say_label_and_domain_to_the_truth_alone(tmp_path, lay, clip, label, domain):
    root = lay(tmp_path, "pump/train/a.wav", clip)
    assert READER.ground_truth(root).rows() == [(clip, label, domain)]
    assert READER.clips(root).filter(split="test").select("domain", "attributes").rows() == [(None, None)]


def test_a_machine_with_one_clip_of_unknown_label_has_no_truth(tmp_path, lay):
    root = lay(tmp_path, "a/train/x.wav", "a/test/x.wav", "a/test/normal/x.wav", "b/train/x.wav", "b/test/bad/x.wav")
    assert READER.ground_truth(root).rows() == [("b/test/bad/x.wav", 1, None)]
    for unknown in ("", "unknown/", "Unlabelled/", "NA/"):
        assert READER.ground_truth(lay(tmp_path / f"c{unknown}", "train/x.wav", f"test/{unknown}x.wav")) is None


@pytest.mark.parametrize(
    "clips", [("train/x.wav", "test/x.wav"), ("normal/x.wav", "new/x.wav"), ("x.wav", "test/y.wav")]
)
def test_a_folder_without_machines_is_one_machine_whatever_its_name(tmp_path, lay, clips):
    for name in ("monday", "tuesday"):
        rows = told(lay(tmp_path / name, *clips), "machine", "split")
        assert sorted(row[1:] for row in rows) == [("machine", "test"), ("machine", "train")]


def test_loose_clips_are_normal_sound(tmp_path, lay):
    assert told(lay(tmp_path, "b 1.wav", "a.wav"), "split") == [("a.wav", "train"), ("b 1.wav", "train")]


def test_a_file_name_may_be_anything_a_label_or_the_name_of_another_clip(tmp_path, lay):
    root = lay(tmp_path, "p/train/anomaly.wav", "p/test/normal/a.wav", "p/test/worn/a.wav")
    assert [row[1] for row in READER.ground_truth(root).rows()] == [0, 1]
    assert len(READER.clips(root)) == 3


def test_folders_of_halls_become_part_of_the_machine_name(tmp_path, lay):
    assert told(lay(tmp_path, "hall 2/pump/train/a.wav"), "machine") == [("hall 2/pump/train/a.wav", "hall 2-pump")]


@pytest.mark.parametrize(
    ("clips", "problem"),
    [
        (("p/train/a.wav", "p/a.wav"), "p: 1 clip, neither in a train nor in a test folder: p/a.wav"),
        (("p/train/a.wav", "a.wav"), "a.wav: 1 clips lie outside every machine's folder"),
        (("p/train/fault/a.wav",), "in a train folder of faults"),
        (("p/train/source/target/a.wav",), "in folders of two domains"),
        (("train/train/a.wav", "train/test/bearing/a.wav"), "in a train folder and in a test folder at once; name the"),
        (("new/train/a.wav", "new/test/a.wav"), "in a train folder and in a test folder at once; name the machine's"),
        (
            ("p/train/a.wav", "p/test/bearing/ok/a.wav"),
            "in bearing/, which says faulty, and below it a folder",
        ),
        (("p/train/a.wav", "p/test/ok/bad/a.wav"), "in ok/, which says normal, and below it a folder says the other"),
        (("a-b/c/train/a.wav", "a/b-c/train/a.wav"), "a-b/c and a/b-c would both be the machine a-b-c: rename one"),
        (("p/train/a.wav", "q/test/a.wav"), "q section 00: no train clips"),
    ],
)
def test_what_a_folder_leaves_open_is_a_problem_that_names_it(tmp_path, lay, clips, problem):
    with pytest.raises(DatasetError, match=problem):
        READER.clips(lay(tmp_path, *clips))


def test_folders_that_say_nothing_are_answered_with_the_layouts_and_a_table_to_fill_in(tmp_path, lay):
    with pytest.raises(DatasetError, match=r"ROOT/<machine>/train/(.|\n)*--write-index (.|\n)*\n  - a/b: 1 clip"):
        READER.clips(lay(tmp_path, "a/b/x.wav"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "log.txt").touch()
    with pytest.raises(DatasetError, match="no recording is in it that can be read, but log.txt"):
        READER.clips(tmp_path / "c")
    with pytest.raises(DatasetError, match="there is no such folder"):
        READER.clips(tmp_path / "nowhere")


def test_formats_that_are_not_read_are_told_wherever_they_lie(tmp_path, lay):
    root = lay(tmp_path / "some", "p/train/a.wav")
    for name in ("phone.MP3", "phone.m4a", ".hidden.mp3"):
        (root / "p" / "train" / name).touch()
    assert READER.clips(root)["clip"].to_list() == ["p/train/a.wav"]
    assert left_out_by(READER, root) == [
        "2 recordings not read (such as p/train/phone.MP3): convert them to WAV or FLAC."
    ]
    (root / "p" / "train" / "a.wav").unlink()
    with pytest.raises(DatasetError) as refused:
        READER.clips(root)
    assert "Convert these to WAV or FLAC.\n  - 2 recordings ending in .m4a, .mp3, such as p/train/phone.MP3" in str(
        refused.value
    )


def test_a_day_says_nothing_of_a_clip(tmp_path, lay):
    root = lay(tmp_path, "p/train/a.wav", "p/test/2026-11-29/a.wav", "p/test/normal/a.wav", "p/test/bearing/a.wav")
    assert READER.ground_truth(root) is None


def test_clips_lie_as_deep_as_they_like(tmp_path, lay):
    clips = ["hall/p/test/11/29/07/00/a.wav", "hall/p/train/2026/11/29/07/00/a.wav"]
    assert [row[0] for row in told(lay(tmp_path, *clips))] == clips


def test_links_are_followed_out_of_the_root_wherever_they_are(tmp_path, lay):
    root, other = lay(tmp_path / "root", "p/train/a.wav", "p/test/normal/a.wav"), tmp_path / "other"
    lay(other, "b.wav", "day/c.wav")
    (other / "day" / "round").symlink_to(other)
    (root / "p" / "test" / "bearing").symlink_to(other)
    (root / "p" / "train" / "latest").symlink_to(root / "p" / "test" / "normal")
    faulty = [row[0] for row in READER.ground_truth(root).rows() if row[1]]
    assert faulty == ["p/test/bearing/b.wav", "p/test/bearing/day/c.wav"]
    assert len(told(root)) == 4


def test_a_link_that_leads_nowhere_is_a_problem(tmp_path, lay):
    root = lay(tmp_path, "p/train/a.wav")
    (root / "p" / "test").symlink_to(tmp_path / "share" / "p")
    with pytest.raises(DatasetError, match="p/test: is a link that leads nowhere"):
        READER.clips(root)


def test_hidden_files_are_left_out_and_circles_of_links_end(tmp_path, lay):
    root = lay(tmp_path / "root", "p/train/a.wav", "p/train/.a.wav", ".trash/train/a.wav")
    for place, leads_to in (
        ("p/train/again", root),
        ("p/train/above", tmp_path),
        ("q", root),
        ("p/train/p", root / "p"),
    ):
        (root / place).symlink_to(leads_to)
    assert len(told(root)) == 1
