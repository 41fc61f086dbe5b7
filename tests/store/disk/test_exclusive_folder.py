"""One process at a time writes to a folder, and whoever is refused leaves no trace."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import pytest

from asdcore.errors import StoreError
from asdcore.store.disk.exclusive_folder import CLAIM, claimed

HOLD = """
import sys, time
from pathlib import Path
from asdcore.store.disk.exclusive_folder import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def names(folder):
    return [one.name for one in folder.iterdir()]


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_process_is_refused_and_the_first_is_not_disturbed(tmp_path, holder):
    for _ in range(2):
        who = f"process {holder.pid} on {platform.node()}, since 20.* UTC"
        told = pytest.raises(StoreError, match=f"Another process is writing to .*out: {who}. Wait until it is done")
        with told, claimed(tmp_path / "out"):
            pass
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path / "out"):
        (tmp_path / "out" / "x").write_text("")
    assert names(tmp_path / "out") == ["x"]


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    assert names(tmp_path / "out") == [CLAIM]
    with claimed(tmp_path / "out"):
        pass
    assert names(tmp_path / "out") == []


def test_what_it_made_is_gone_if_nothing_was_put_there(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "deep" / "out"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with claimed(tmp_path / "mine"):
        pass
    assert names(tmp_path) == ["mine"]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("elsewhere"), os.mkfifo, lambda path: path.mkdir()])
def test_what_is_no_file_in_the_place_of_the_lock_stays(tmp_path, make):
    make(tmp_path / CLAIM)
    with pytest.raises(StoreError, match="Cannot write"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [CLAIM]


def test_a_file_that_holds_something_is_not_removed(tmp_path):
    (tmp_path / CLAIM).write_text("mine")
    with claimed(tmp_path):
        pass
    assert (tmp_path / CLAIM).read_text() == "mine"


MANY = """
import sys
from pathlib import Path
from asdcore.errors import StoreError
from asdcore.store.disk.exclusive_folder import claimed
inside, done, refused = Path(sys.argv[1]).with_name("inside"), 0, 0
while done < 100:
    try:
        with claimed(Path(sys.argv[1])):
            inside.mkdir()  # fails if another is in here, too
            inside.rmdir()
            done += 1
    except StoreError as error:
        assert "Another process is writing" in str(error), error
        refused += 1
"""


def test_however_the_folder_comes_and_goes_only_one_is_in_it(tmp_path):
    command = [sys.executable, "-c", MANY, str(tmp_path / "out")]
    for process in [subprocess.Popen(command) for _ in range(3)]:
        assert process.wait(120) == 0
    assert set(tmp_path.rglob("*")) <= {tmp_path / "out"}
