"""Every file is read once and hashed right; what is no file, or only seemed unchanged, is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
from collections import Counter
from pathlib import Path

import pytest

from asdcore.errors import ManifestError
from asdcore.frozen.pinning import hashing
from asdcore.frozen.pinning.hashing import BLOCK, MISSING, DigestCache, hash_files

SIZES = (0, 1, 63, 64, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17)


@pytest.fixture
def files(tmp_path):
    """Files of all sizes that matter."""
    rng = random.Random(0)
    paths = [tmp_path / f"{size}.bin" for size in SIZES]
    for path, size in zip(paths, SIZES, strict=True):
        path.write_bytes(rng.randbytes(size))
    return paths


@pytest.fixture
def settled(monkeypatch):
    """Let files of a moment ago count as old."""
    monkeypatch.setattr(hashing, "FRESH", -(10**15))


def look(paths, known=None):
    return hash_files(map(str, paths), Path, known)


def trouble(path):
    (found,) = look([path]).values()
    return found.trouble


def test_digests_and_sizes_are_those_of_the_bytes_in_the_order_of_the_names(files):
    found = look(files)
    assert list(found) == list(map(str, files))
    for path in files:
        content = path.read_bytes()
        assert (found[str(path)].size, found[str(path)].sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_more_files_than_threads_do_not_share_what_they_read(tmp_path):
    paths = [tmp_path / str(i) for i in range(300)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i % 251]) * (BLOCK // 4 + i))
    for path, one in zip(paths, look(paths).values(), strict=True):
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_is_opened_once_and_told_of_once(files, monkeypatch):
    opened, told = Counter(), []
    open_ = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: opened.update([path]) or open_(path, *rest))
    hash_files(map(str, files), Path, done=told.append)
    assert opened == Counter(files)
    assert sum(told) == len(files)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, MISSING),
        (lambda path: path.symlink_to("nowhere"), MISSING),
        (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "cannot be read: No such device or address"),
    ],
    ids=["nothing", "dangling link", "link to itself", "folder", "pipe", "device", "socket"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_file_is_in_trouble_and_holds_nobody_up(tmp_path, monkeypatch, make, said):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path("x"))
    assert trouble(Path("x")) == said


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_in_trouble(files):
    files[3].chmod(0)
    assert trouble(files[3]) == "cannot be read: Permission denied"


def test_a_name_that_lies_nowhere_or_is_refused_is_in_trouble_alone(files):
    def locate(name):
        if name == "refused":
            raise ManifestError("a link leads out of its root")
        return None if name == "nowhere" else files[4]

    found = hash_files(["refused", "nowhere", "here"], locate)
    assert [one.trouble for one in found.values()] == ["a link leads out of its root", MISSING, ""]


def test_times_are_trusted_only_when_asked(files, tmp_path, settled):
    kept = tmp_path / "kept" / "times.json"
    known = DigestCache(kept, trusted=False)
    before = look(files, known)
    known.save()
    doctored = json.loads(kept.read_text())
    doctored[str(files[5])] = doctored[str(files[5])][:-64] + "5" * 64
    kept.write_text(json.dumps(doctored))
    assert look(files, DigestCache(kept, trusted=False)) == before
    assert look(files, DigestCache(kept, trusted=True))[str(files[5])].sha256 == "5" * 64


@pytest.mark.parametrize("change", ["content", "size", "time", "another file"])
def test_a_touched_file_is_read_again_though_times_are_trusted(files, tmp_path, settled, change):
    path, kept = files[5], tmp_path / "times.json"
    known = DigestCache(kept, trusted=False)
    look(files, known)
    known.save()
    times, other = path.stat(), bytes(path.stat().st_size)
    if change == "another file":
        (tmp_path / "other").write_bytes(other)
        (tmp_path / "other").replace(path)
    else:
        path.write_bytes({"content": other, "size": other + b"\0", "time": path.read_bytes()}[change])
    if change != "time":
        # Whoever changes a file can set its time of modification back, but not its time of change.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (found,) = look([path], DigestCache(kept, trusted=True)).values()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_of_a_moment_ago_is_not_kept_for_one_more_change_might_not_show(files, tmp_path):
    known = DigestCache(tmp_path / "times.json", trusted=False)
    look(files, known)
    known.save()
    assert json.loads((tmp_path / "times.json").read_text()) == {}


@pytest.mark.parametrize("kept", ["", "5", "[1]", '{"x": 5}', "half {", "\ud800".encode("utf-8", "surrogatepass")])
def test_spoiled_times_are_as_good_as_none(files, tmp_path, kept):
    path = tmp_path / "times.json"
    path.write_bytes(kept if isinstance(kept, bytes) else kept.encode())
    known = DigestCache(path, trusted=True)
    assert look(files, known) == look(files)
    known.save()
    json.loads(path.read_text())


def test_times_that_cannot_be_kept_are_no_trouble(files, tmp_path, settled):
    (tmp_path / "file").write_text("")
    known = DigestCache(tmp_path / "file" / "times.json", trusted=True)
    look(files, known)
    known.save()
    assert (tmp_path / "file").read_text() == ""
