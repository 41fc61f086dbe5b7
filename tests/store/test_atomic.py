"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from asdcore.errors import StoreError
from asdcore.store.atomic import (
    PREFIX,
    _host,
    atomic_path,
    check_writable,
    fresh_folder,
    remove_orphans,
    write_json,
    write_text,
)


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(PREFIX)]


def test_file_appears_whole(tmp_path):
    write_text(tmp_path / "deep" / "file.txt", "ä\n")
    assert (tmp_path / "deep" / "file.txt").read_bytes() == "ä\n".encode()
    assert not leftovers(tmp_path)


def test_json_has_one_form(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert not leftovers(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_said_to_be_full(tmp_path):
    with pytest.raises(StoreError, match="disk is full"), atomic_path(tmp_path / "x") as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("does not fit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "Input/output"),
    ],
)
def test_trouble_with_the_disk_becomes_a_message(tmp_path, code, said):
    with pytest.raises(StoreError, match=said), atomic_path(tmp_path / "x"):
        raise OSError(code, os.strerror(code))


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file, not a folder|File exists"):
        write_text(tmp_path / "file" / "x", "")


def test_kill_while_writing_leaves_no_file_and_the_orphan_is_swept(tmp_path):
    code = textwrap.dedent(
        """
        import os, sys, time
        from pathlib import Path
        from asdcore.store.atomic import atomic_path
        with atomic_path(Path(sys.argv[1]) / "x") as temporary:
            temporary.write_text("half")
            print("writing", flush=True)
            time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    mine = tmp_path / f"{PREFIX}{_host()}-{os.getpid()}-0000-being-written"
    theirs = tmp_path / f"{PREFIX}another-{process.pid}-0000-being-written-on-another-host"
    mine.write_text("")
    theirs.write_text("")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "x").exists()
    assert len(leftovers(tmp_path)) == 3
    remove_orphans(tmp_path)
    assert set(leftovers(tmp_path)) == {mine, theirs}


def test_fresh_folder_is_gone_afterwards(tmp_path):
    with fresh_folder(tmp_path / "run") as folder:
        (folder / "x").write_text("")
    assert list(tmp_path.iterdir()) == []


def test_whether_a_folder_can_be_written_is_known_beforehand(tmp_path, monkeypatch):
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file is a file, not a folder. Choose another with --out or --store"):
        check_writable(tmp_path / "file" / "folder")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match="permission denied. Choose a folder you may write"):
        check_writable(tmp_path / "new")


def test_the_folder_of_a_killed_process_is_removed_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = tmp_path / f"{PREFIX}{_host()}-{dead.pid}-0000-run"
    another = tmp_path / f"{PREFIX}{_host()}-{dead.pid}-0000-another"
    for folder in (orphan, another):
        folder.mkdir()
        (folder / "table").write_text("")
    with fresh_folder(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == [another]
