"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import ast
import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.errors import StoreError
from asdcore.store.disk.atomic import (
    PREFIX,
    _host,
    atomic_path,
    check_writable,
    fresh_folder,
    remove_orphans,
    working_folder,
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


def test_a_table_that_polars_could_not_end_is_trouble_with_the_disk(tmp_path):
    lost = pl.exceptions.ComputeError("parquet: File out of specification: Invalid thrift: transport error")
    with pytest.raises(StoreError, match="takes no more"), atomic_path(tmp_path / "x"):
        raise lost
    with pytest.raises(pl.exceptions.ComputeError, match="another"), atomic_path(tmp_path / "x"):
        raise pl.exceptions.ComputeError("another error of polars")


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file, not a folder|File exists"):
        write_text(tmp_path / "file" / "x", "")


def test_kill_while_writing_leaves_no_file_and_the_orphan_is_swept(tmp_path):
    code = textwrap.dedent(
        """
        import os, sys, time
        from pathlib import Path
        from asdcore.store.disk.atomic import atomic_path
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
    with pytest.raises(
        StoreError, match="permission denied: you may not write there. Choose another folder with --out"
    ):
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
    with working_folder(tmp_path, "another") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_for_good_in_a_folder_of_a_person():
    """A temporary folder of Python's stays when its process is killed; only where the system keeps such is it used."""
    calls = [
        (file.name, ast.unparse(node))
        for file in Path(asdcore.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and re.search(r"(TemporaryDirectory|mkdtemp|mkstemp|NamedTemporaryFile)$", ast.unparse(node.func))
    ]
    assert len(calls) > 5
    assert [call for call in calls if "dir=" in call[1]] == []


WRITING = """
import sys
from pathlib import Path
from asdcore.store.disk.atomic import atomic_path, fresh_folder, remove_orphans
folder = Path(sys.argv[1])
if sys.argv[2] == "sweep":
    remove_orphans(folder)
    with fresh_folder(folder / "run"):
        pass
else:
    with atomic_path(folder / "x") as temporary, fresh_folder(folder / "run") as run:
        temporary.write_text("whole")
        (run / "table").write_text("whole")
        print("writing", flush=True)
        sys.stdin.readline()
        (run / "table").rename(folder / "table")
"""


def of_a_container(namespace, *words):
    """Start a process that is number 1 of a process-id namespace of its own, or one of this."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc"] if namespace else []
    return subprocess.Popen(
        [*apart, sys.executable, "-c", WRITING, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def can_unshare():
    try:
        return not subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True
        ).returncode
    except OSError:
        return False


@pytest.mark.parametrize("namespace", [False, True])
def test_a_sweep_spares_what_a_living_process_writes_in_whatever_container(tmp_path, namespace):
    if namespace and not can_unshare():
        pytest.skip("unshare cannot make a process-id namespace here: it needs the rights of root")
    writer = of_a_container(namespace, tmp_path, "write")
    assert writer.stdout.readline() == b"writing\n"
    for sweeper in (of_a_container(namespace, tmp_path, "sweep"), of_a_container(False, tmp_path, "sweep")):
        sweeper.communicate(timeout=60)
        assert sweeper.returncode == 0
    writer.communicate(b"\n", timeout=60)
    assert writer.returncode == 0
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"x": "whole", "table": "whole"}


def test_containers_of_one_host_name_have_names_of_their_own(tmp_path):
    if not can_unshare():
        pytest.skip("unshare cannot make a process-id namespace here: it needs the rights of root")
    code = "import platform; from asdcore.store.disk.atomic import _host; print(platform.node(), _host())"
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    told = [subprocess.check_output([*before, sys.executable, "-c", code], text=True).split() for before in (apart, [])]
    assert told[0][0] == told[1][0]
    assert told[0][1] != told[1][1] == _host()


@pytest.mark.parametrize(("hours", "is_kept"), [(1, True), (23, True), (25, False)])
def test_what_another_machine_left_is_swept_when_it_is_a_day_old(tmp_path, hours, is_kept, monkeypatch):
    """Its lock cannot be seen from here on every disk."""
    orphan = tmp_path / "deep" / f"{PREFIX}another-1-0000.part"
    orphan.mkdir(parents=True)
    (orphan / "lock").write_text("")
    (orphan / "x").write_text("half")
    then = time.time() - 3600 * hours
    for path in (orphan / "lock", orphan / "x", orphan):
        os.utime(path, (then, then))
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock of this machine counts for nothing
    remove_orphans(tmp_path)
    assert orphan.is_dir() == is_kept
    assert leftovers(tmp_path) == ([orphan] if is_kept else [])


@pytest.mark.parametrize("process", ["1", "this", "its parent"])
def test_what_is_not_locked_is_swept_whatever_process_has_its_number_now(tmp_path, process):
    """In a container every process is number 1: an orphan of the last is not kept for the next."""
    number = {"this": os.getpid(), "its parent": os.getppid()}.get(process, process)
    orphan = tmp_path / f"{PREFIX}{_host()}-{number}-0000.part"
    orphan.mkdir()
    (orphan / "lock").write_text("")
    (orphan / "x").write_text("half")
    remove_orphans(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_locks_nothing_is_swept(tmp_path, monkeypatch):
    orphan = tmp_path / f"{PREFIX}{_host()}-1-0000.part"
    orphan.mkdir()

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    remove_orphans(tmp_path)
    assert orphan.is_dir()
    write_text(tmp_path / "x", "written all the same")
    assert (tmp_path / "x").read_text() == "written all the same"


def test_a_sweep_touches_no_link_and_no_pipe(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("mine")
    (tmp_path / f"{PREFIX}{_host()}-1-0000.part").symlink_to("mine")
    linked = tmp_path / f"{PREFIX}{_host()}-1-0001.part"
    linked.mkdir()
    (linked / "lock").symlink_to(tmp_path / "mine" / "thesis")
    os.mkfifo(tmp_path / f"{PREFIX}{_host()}-1-0002.part")
    before = sorted(tmp_path.rglob("*"))
    remove_orphans(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine" / "thesis").read_text() == "mine"


RACE = """
import sys
from pathlib import Path
from asdcore.store.disk.atomic import remove_orphans, write_text
folder, name = Path(sys.argv[1]), sys.argv[2]
for i in range(150):
    write_text(folder / name, str(i))
    remove_orphans(folder)
"""


def test_writers_that_sweep_do_not_disturb_one_another(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), name]) for name in "aba"]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a": "149", "b": "149"}
