"""asdcore.submission.archive: what a folder or a zip may hide, and a zip that depends on its files alone."""

from __future__ import annotations

import io
import os
import stat
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.errors import StoreError
from asdcore.submission import archive
from asdcore.submission.archive import pack, read_tree, zip_bytes

FILES = {"task2/a/x.csv": b"clip.wav,1\n", "task2/a/a.meta.yaml": b"submission:\n", "task2/report.pdf": b"%PDF"}


def fill(folder, files=FILES):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def entry(name, *, mode=stat.S_IFREG | 0o644):
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, mode << 16
    return made


def make_zip(path, *entries):
    with zipfile.ZipFile(path, "w") as made:
        for one in entries:
            made.writestr(one, b"")
    return path


def reasons(tree):
    return [f"{problem.file.removeprefix(tree.name).lstrip('/')}: {problem.reason}" for problem in tree.problems]


def test_a_folder_and_its_zip_read_alike(tmp_path):
    folder = fill(tmp_path / "folder")
    (tmp_path / "made.zip").write_bytes(pack(folder))
    for path in (folder, tmp_path / "made.zip"):
        tree = read_tree(path)
        assert tree.files == {**FILES, "task2/report.pdf": None}
        assert tree.problems == []


def test_the_same_files_give_the_same_bytes(tmp_path):
    first = fill(tmp_path / "a")
    second = fill(tmp_path / "b", dict(reversed(FILES.items())))
    for i, path in enumerate(sorted(second.rglob("*"))):
        path.chmod(0o700)
        os.utime(path, (10**9 + i, 10**9 + i))
    (second / ".DS_Store").write_bytes(b"")
    (second / "old.zip").write_bytes(b"")
    assert pack(first) == pack(second) == zip_bytes(FILES)
    (second / "task2" / "report.pdf").write_bytes(b"%PDF-2")
    assert pack(first) != pack(second)


def test_a_zip_of_ours_is_one_that_others_read(tmp_path):
    with zipfile.ZipFile(io.BytesIO(zip_bytes(FILES))) as made:
        assert made.testzip() is None
        assert {name: made.read(name) for name in made.namelist()} == FILES
        assert made.namelist() == sorted(FILES)
        assert {stat.S_IMODE(one.external_attr >> 16) for one in made.infolist()} == {0o644}


def test_hidden_files_are_no_part_of_a_submission(tmp_path):
    hidden = {".git/config": b"", "__MACOSX/task2/a/._x.csv": b"", "task2/a/.x.csv.swp": b""}
    folder = fill(tmp_path / "folder", {**FILES, **hidden})
    (tmp_path / "made.zip").write_bytes(zip_bytes({**FILES, **hidden}))
    for path in (folder, tmp_path / "made.zip"):
        tree = read_tree(path)
        assert (set(tree.files), tree.problems) == (set(FILES), [])


@pytest.mark.parametrize("target", ["../outside.csv", "/etc/hostname", "x.csv", "nowhere", "../outside"])
def test_a_link_is_never_followed(tmp_path, target):
    fill(tmp_path, {"outside.csv": b"secret", "outside/x.csv": b"secret"})
    folder = fill(tmp_path / "folder")
    (folder / "task2" / "a" / "link.csv").symlink_to(target)
    tree = read_tree(folder)
    assert reasons(tree) == [
        "task2/a/link.csv: found a link; allowed are files and folders, put what it points to in its place"
    ]
    assert set(tree.files) == set(FILES)
    with pytest.raises(StoreError, match=r"link\.csv: found a link.* Remove it"):
        pack(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    folder = fill(tmp_path / "folder")
    os.mkfifo(folder / "task2" / "a" / "y.csv")
    assert reasons(read_tree(folder)) == [
        "task2/a/y.csv: found neither a file nor a folder; allowed are files and folders"
    ]


def test_a_pipe_or_a_device_in_place_of_a_submission_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "zero.zip").symlink_to("/dev/zero")
    for name in ("pipe.zip", "zero.zip"):
        assert reasons(read_tree(tmp_path / name)) == [
            ": found neither a file nor a folder; allowed are files and folders"
        ]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_what_cannot_be_read_is_said(tmp_path):
    folder = fill(tmp_path / "folder")
    (folder / "task2" / "a" / "x.csv").chmod(0)
    assert reasons(read_tree(folder)) == ["task2/a/x.csv: cannot be read (Permission denied)"]


@pytest.mark.parametrize("name", ["a\nb.csv", "a\x1b[31m.csv", os.fsdecode(b"a\xff.csv")])
def test_a_name_that_would_garble_a_terminal_is_spelt_out(tmp_path, name):
    folder = fill(tmp_path / "folder", {f"task2/{name}": b""})
    tree = read_tree(folder)
    assert tree.files == {}
    assert str(tree.problems[0]).isprintable()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x.csv", "a path that leads elsewhere"),
        ("task2/../../x.csv", "a path that leads elsewhere"),
        ("task2/./x.csv", "a path that leads elsewhere"),
        ("task2//x.csv", "a path that leads elsewhere"),
        ("..", "a path that leads elsewhere"),
        (".hidden/../../x.csv", "a path that leads elsewhere"),
        ("/etc/x.csv", "an absolute path or a backslash"),
        ("C:/x.csv", "an absolute path or a backslash"),
        ("..\\x.csv", "an absolute path or a backslash"),
        ("task2/a\x00.csv", "its name has characters that cannot be printed"),
    ],
)
def test_a_zip_entry_that_escapes_is_refused(tmp_path, name, said):
    made = entry("placeholder")
    made.filename = made.orig_filename = name  # the constructor would tidy it up
    tree = read_tree(make_zip(tmp_path / "x.zip", entry("task2/a/x.csv"), made))
    (reason,) = reasons(tree)
    assert said in reason
    assert list(tree.files) == ["task2/a/x.csv"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_entry_that_is_no_file_is_refused(tmp_path, kind):
    tree = read_tree(make_zip(tmp_path / "x.zip", entry("x.csv", mode=kind | 0o777)))
    assert reasons(tree) == ["x.csv: found a link or a special file; allowed are files and folders"]
    assert not tree.files


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("other", ["a/x.csv", "A/X.csv", "a/x.csv/"])
def test_one_zip_entry_over_another_is_refused(tmp_path, other):
    tree = read_tree(make_zip(tmp_path / "x.zip", entry("a/x.csv"), entry(other)))
    (reason,) = reasons(tree)
    assert "found twice in the zip, as 'a/x.csv' before" in reason


def test_an_encrypted_entry_is_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", entry("x.csv"))
    content = path.read_bytes()
    header = content.index(b"PK\x01\x02")
    path.write_bytes(content[: header + 8] + b"\x01" + content[header + 9 :])
    assert reasons(read_tree(path)) == ["x.csv: found an encrypted file; allowed are files that anyone can read"]


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/x.csv", bytes(archive.MAX_BYTES + 1))
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    assert reasons(read_tree(tmp_path / "x.zip")) == [
        f"a/x.csv: holds {archive.MAX_BYTES + 1} bytes; allowed are {archive.MAX_BYTES}"
    ]
    monkeypatch.setattr(archive, "MAX_TOTAL", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.pdf", bytes(600))
        made.writestr("b.pdf", bytes(401))
    assert reasons(read_tree(tmp_path / "x.zip")) == [
        f": found 2 files, 1001 bytes; allowed are {archive.MAX_FILES} files and 1000 bytes in all"
    ]


def test_more_files_than_any_submission_has(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    many = {f"{i}.csv": b"" for i in range(4)}
    (tmp_path / "x.zip").write_bytes(zip_bytes(many))
    for path in (fill(tmp_path / "folder", many), tmp_path / "x.zip"):
        assert "found more than 3 files" in reasons(read_tree(path))[0]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_a_problem(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    (reason,) = reasons(read_tree(tmp_path / "x.zip"))
    assert "cannot be read as a zip" in reason


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_zip_ends_in_problems_or_in_the_same_files(tmp_path_factory, data):
    good = zip_bytes({name: content for name, content in FILES.items() if not name.endswith(".pdf")})
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.zip"
    path.write_bytes(bad[: data.draw(st.sampled_from([len(bad), len(bad) // 2]))])
    tree = read_tree(path)
    # A changed name may be one that is not read; what is read is whole.
    assert tree.problems or set(tree.files.values()) <= {*FILES.values(), None}
