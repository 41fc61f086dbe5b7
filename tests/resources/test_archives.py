"""A dataset comes whole from its archives, or not at all; an archive that reaches outside its folder is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile

import pytest

from asdcore.cli import data as commands
from asdcore.errors import ResourceError, StoreError
from asdcore.resources import archives
from asdcore.resources.archives import fetch_data, unpack
from asdcore.resources.entries import entry_text
from asdcore.resources.registry import resource_folder

NORMAL = "section_00_source_train_normal_0000_noAttribute.wav"


def zipped(members):
    """Return the bytes of an archive of {name: content}; a ZipInfo may be a name."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def packed(tmp_path):
    """A function that writes an archive."""

    def write(members, name="dev_fan.zip"):
        path = tmp_path / name
        path.write_bytes(members if isinstance(members, bytes) else zipped(members))
        return path

    return write


@pytest.fixture
def year(site, entry, registry, described):
    """A function that gives a registry with the two records of a year, which the server has."""

    def make(task="dcase2026", dev=("fan", "3DPrinter"), train=("fan",)):
        entries = []
        for split, machines in (("dev", dev), ("train", train)):
            held = []
            for machine in machines:
                name = f"{split}_{machine}.zip"
                site.files[f"{task}/{name}"] = zipped(
                    {
                        f"{machine}/train/{split}_{NORMAL}": f"{task} {split} {machine}".encode() * 300,
                        f"{machine}/attributes_00.csv": f"{split}".encode(),
                    }
                )
                held.append(described(name, site.files[f"{task}/{name}"], machine=machine))
            base = f"{site.address}/{task}/"
            about = {"kind": "dataset", "plugin": task, "use": {"split": split}, "base_url": base, "files": held}
            entries.append(entry(id=f"{task}-{split}", **about))
        return registry(*entries)

    return make


def test_a_machine_is_unpacked_into_its_folder(packed, tmp_path):
    root = tmp_path / "root"
    members = {
        "fan/train/a.wav": b"a",
        "fan/test/b.wav": b"b",
        "fan/attributes_00.csv": b"c",
        "dev_data/fan/test/deep.wav": b"d",
        "readme.txt": b"r",
        "__MACOSX/fan/train/._a.wav": b"m",
        "fan/train/.DS_Store": b"m",
    }
    assert unpack(packed(members), "fan", root) == 4
    assert files(root) == {
        "fan/train/a.wav": b"a",
        "fan/test/b.wav": b"b",
        "fan/attributes_00.csv": b"c",
        "fan/test/deep.wav": b"d",
    }


def test_archives_of_one_machine_join(packed, tmp_path):
    root = tmp_path / "root"
    unpack(packed({"fan/train/a.wav": b"a", "fan/attributes_00.csv": b"dev"}), "fan", root)
    unpack(packed({"fan/train/b.wav": b"b", "fan/attributes_00.csv": b"eval"}, "eval_fan.zip"), "fan", root)
    unpack(packed({"fan/train/a.wav": b"a"}, "again.zip"), "fan", root)
    assert files(root) == {
        "fan/train/a.wav": b"a",
        "fan/train/b.wav": b"b",
        "fan/attributes_00.csv": b"dev",
        "fan/attributes_00.eval_fan.csv": b"eval",
    }


def test_other_sound_of_the_same_name_is_never_replaced(packed, tmp_path):
    root = tmp_path / "root"
    unpack(packed({"fan/train/a.wav": b"a", "fan/train/z.wav": b"z"}), "fan", root)
    before = files(root)
    with pytest.raises(ResourceError, match=r"fan/train/z.wav exists with another sound than in .*--out"):
        unpack(packed({"fan/train/new.wav": b"n", "fan/train/z.wav": b"another"}), "fan", root)
    assert files(root) == before


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("../outside.wav", "would land outside its folder"),
        ("fan/../../outside.wav", "would land outside its folder"),
        ("/tmp/outside.wav", "would land outside its folder"),
        ("fan\\..\\..\\outside.wav", "would land outside its folder"),
        ("C:/outside.wav", "would land outside its folder"),
        (link("fan/train/link.wav"), "is a link or a device"),
        ("fan/train/a\nb.wav", "has an unprintable name"),
    ],
)
def test_an_unsafe_archive_is_refused_whole(packed, tmp_path, member, said):
    root = tmp_path / "root"
    path = packed({"fan/train/a.wav": b"a", member: b"/etc/passwd"})
    with pytest.raises(ResourceError, match=rf"dev_fan.zip is not unpacked: its member .* {said}"):
        unpack(path, "fan", root)
    assert not files(root)
    assert sorted(one.name for one in tmp_path.iterdir() if one.name not in ("store", "root")) == ["dev_fan.zip"]


def test_an_encrypted_archive_is_refused(packed, tmp_path):
    content = bytearray(zipped({"fan/train/a.wav": b"a"}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    with pytest.raises(ResourceError, match="is encrypted"):
        unpack(packed(bytes(content)), "fan", tmp_path / "root")


def test_two_members_of_one_name_are_refused(packed, tmp_path):
    with pytest.raises(ResourceError, match="two of its members are fan/train/a.wav"):
        unpack(packed({"fan/train/a.wav": b"a", "x/fan/train/a.wav": b"b"}), "fan", tmp_path / "root")


def test_an_archive_of_another_machine_is_refused(packed, tmp_path):
    with pytest.raises(ResourceError, match="has no folder 'fan': it is not an archive of that machine"):
        unpack(packed({"valve/train/a.wav": b"a", "fan": b"a file"}), "fan", tmp_path / "root")


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_leaves_nothing(packed, tmp_path, damage):
    content = zipped({"fan/train/a.wav": os.urandom(5000), "fan/train/b.wav": os.urandom(5000)})
    flipped = content[:8000] + bytes([content[8000] ^ 1]) + content[8001:]
    path = packed({"cut": content[:4000], "flipped": flipped, "text": b"<html>"}[damage])
    with pytest.raises(ResourceError, match=r"dev_fan.zip is damaged or not a zip file.*rm .*dev_fan.zip"):
        unpack(path, "fan", tmp_path / "root")
    assert not files(tmp_path / "root")


def test_an_archive_that_claims_more_than_the_disk_holds_is_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: type("U", (), {"free": 10}))
    with pytest.raises(ResourceError, match="5,000 bytes are to be unpacked .* which has 10 left"):
        unpack(packed({"fan/train/a.wav": b"a" * 5000}), "fan", tmp_path / "root")


def test_a_task_is_fetched_and_noted(site, year, tmp_path):
    root = tmp_path / "root"
    known = year()
    assert fetch_data("dcase2026", root, known) == 3
    assert set(files(root)) == {
        f"fan/train/dev_{NORMAL}",
        f"fan/train/train_{NORMAL}",
        f"3DPrinter/train/dev_{NORMAL}",
        "fan/attributes_00.csv",
        "fan/attributes_00.train_fan.csv",
        "3DPrinter/attributes_00.csv",
        archives.NOTES,
    }
    notes = json.loads((root / archives.NOTES).read_text())
    assert list(notes) == ["dev_3DPrinter.zip", "dev_fan.zip", "train_fan.zip"]
    sha256 = known.entry("dcase2026-train").files[0].sha256
    about = {"task": "dcase2026", "entry": "dcase2026-train", "sha256": sha256, "checked_by": "sha256"}
    assert notes["train_fan.zip"] == about
    assert not list(resource_folder("dcase2026-dev").iterdir())
    site.seen.clear()
    assert fetch_data("dcase2026", root, known) == 0
    assert site.seen == []


def test_what_was_removed_is_fetched_again(site, year, tmp_path):
    import shutil

    fetch_data("dcase2026-dev", tmp_path / "root", year())
    shutil.rmtree(tmp_path / "root" / "fan")
    assert fetch_data("dcase2026-dev", tmp_path / "root", year()) == 1
    assert (tmp_path / "root" / "fan" / "train").is_dir()


def test_only_what_is_asked_for_is_fetched(site, year, tmp_path):
    known = year()
    assert fetch_data("dcase2026", tmp_path / "a", known, split="train") == 1
    assert [path for path, _ in site.seen] == ["dcase2026/train_fan.zip"]
    assert fetch_data("dcase2026", tmp_path / "b", known, machines=["3DPrinter"]) == 1
    assert fetch_data("dcase2026-dev", tmp_path / "c", known, keep=True) == 2
    assert len(list(resource_folder("dcase2026-dev").iterdir())) == 2


def test_an_archive_that_was_here_stays(site, year, tmp_path):
    known = year()
    path = resource_folder("dcase2026-train") / "train_fan.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(site.files["dcase2026/train_fan.zip"])
    fetch_data("dcase2026-train", tmp_path / "root", known)
    assert path.is_file()
    assert site.seen == []


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("dcase2062", {}, r"No dataset is named 'dcase2062'. Did you mean 'dcase2026'\?"),
        ("dcase2026", {"machines": ["fun"]}, r"No archive holds the machine 'fun'. Did you mean 'fan'\?"),
        ("dcase2026", {"split": "eval"}, "dcase2026 has no split 'eval'; it has dev, train"),
    ],
)
def test_a_mistake_is_met_with_what_there_is(site, year, tmp_path, name, more, said):
    with pytest.raises(ResourceError, match=said):
        fetch_data(name, tmp_path / "root", year(), **more)
    assert site.seen == []
    assert not (tmp_path / "root").exists()


def test_years_are_not_mixed(site, year, registry, tmp_path):
    both = registry(*year().entries(), *year("dcase2025").entries())
    fetch_data("dcase2026-dev", tmp_path / "root", both)
    before = files(tmp_path / "root")
    with pytest.raises(ResourceError, match=r"root holds data of dcase2026, .* Choose another folder with --out"):
        fetch_data("dcase2025", tmp_path / "root", both)
    assert files(tmp_path / "root") == before


def test_notes_that_cannot_be_read(year, tmp_path):
    (tmp_path / archives.NOTES).write_text("[1]")
    with pytest.raises(ResourceError, match=r".archives.json cannot be read .*rm "):
        fetch_data("dcase2026", tmp_path, year())


def test_a_root_that_cannot_be_written_is_known_before_the_download(site, year, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file, not a folder"):
        fetch_data("dcase2026", tmp_path / "file" / "root", year())
    assert site.seen == []


def test_a_kill_in_the_middle_leaves_no_half_machine(site, year, tmp_path):
    known, root = year(dev=("fan",)), tmp_path / "root"
    members = {f"fan/train/{i:04}.wav": os.urandom(2000) for i in range(1500)}
    site.files["dcase2026/dev_fan.zip"] = zipped(members)
    entry = known.entry("dcase2026-dev")
    file = {"name": "dev_fan.zip", "machine": "fan", "evidence": "unknown: x"}
    entry = entry.model_copy(update={"files": (type(entry.files[0])(**file),)})
    (tmp_path / "dcase2026-dev.toml").write_text(entry_text(entry))
    code = f"from asdcore.cli import data; from pathlib import Path; data.fetch('dcase2026', Path({str(root)!r}))"
    env = {**os.environ, "ASDCORE_REGISTRY": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)
    while process.poll() is None and not len(list(root.glob(".writing-*/*/train/*"))) > 100:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert not (root / "fan").exists()
    registry = type(known)({entry.id: entry}, tmp_path)
    assert fetch_data("dcase2026", root, registry) == 1
    assert files(root / "fan") == {name.removeprefix("fan/"): content for name, content in members.items()}
    assert not list(root.glob(".writing-*"))


def test_the_command_says_what_comes_next(site, year, tmp_path, capsys):
    for entry in year().entries():
        (tmp_path / f"{entry.id}.toml").write_text(entry_text(entry))
    root = tmp_path / "root"
    commands.fetch("dcase2026", root, machines="fan, 3DPrinter", split="dev", registry=tmp_path)
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"2 archives were unpacked into {root}", f"Next: asdcore data index {root}"]
    assert [line.split(":")[0] for line in told.err.splitlines()] == [
        "dev_fan.zip",
        "unpack fan",
        "dev_3DPrinter.zip",
        "unpack 3DPrinter",
    ]


BAD_MEMBERS = {
    "very deep": "fan/" + "a/" * 5000 + "x.wav",
    "deep": "fan/" + "a/" * 33 + "x.wav",
    "a long name": "fan/" + "x" * 201,
    "a long folder": "fan/" + "x" * 300 + "/a.wav",
}


@pytest.mark.parametrize("name", BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_a_member_that_lies_too_deep_condemns_the_archive(packed, tmp_path, name):
    path = packed({"fan/train/a.wav": b"sound", name: b"sound"})
    with pytest.raises(ResourceError, match=r"is not unpacked: its member .* lies more than 32 folders deep"):
        unpack(path, "fan", tmp_path / "root")
    assert not (tmp_path / "root" / "fan").exists()


@pytest.mark.parametrize("names", [("fan/a", "fan/a/b"), ("fan/a/b/c", "fan/a/b")])
def test_a_member_that_is_file_and_folder_condemns_the_archive(packed, tmp_path, names):
    with pytest.raises(ResourceError, match=r"is not unpacked: its member fan/.* is a file and a folder"):
        unpack(packed(dict.fromkeys(names, b"x")), "fan", tmp_path / "root")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_whatever_byte_of_an_archive_is_broken_it_is_one_message(packed, tmp_path, method):
    """Each method's library has errors of its own; so has each field of the format."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("fan/train/a.wav", bytes(range(256)) * 4)
    content = held.getvalue()
    for at in range(0, len(content), max(1, len(content) // 120)):
        for flip in (1, 255):
            path = packed(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
            with contextlib.suppress(ResourceError):
                unpack(path, "fan", tmp_path / "root" / f"{at}-{flip}")


def test_a_table_of_somebodys_is_not_written_over(packed, tmp_path):
    root = tmp_path / "root"
    unpack(packed({"fan/attributes_00.csv": b"dev"}), "fan", root)
    (root / "fan" / "attributes_00.eval_fan.csv").write_bytes(b"mine")
    with pytest.raises(ResourceError, match=r"attributes_00.eval_fan.csv exists with other content"):
        unpack(packed({"fan/attributes_00.csv": b"eval"}, "eval_fan.zip"), "fan", root)
    assert (root / "fan" / "attributes_00.eval_fan.csv").read_bytes() == b"mine"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_is_no_file_where_a_member_belongs_stays(packed, tmp_path, make):
    target = tmp_path / "root" / "fan" / "train" / "a.wav"
    target.parent.mkdir(parents=True)
    make(target)
    with pytest.raises(ResourceError, match=r"a.wav exists with"):
        unpack(packed({"fan/train/a.wav": b"sound"}), "fan", tmp_path / "root")
    assert not target.is_file()
