"""A command whose output goes to a full disk, to nobody or nowhere: one message, and an exit code that is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
ASDCORE = Path(sys.executable).parent / "asdcore"


def run(*arguments, unbuffered="", **streams):
    """Run asdcore, and return its exit code and what stood in stderr."""
    streams.setdefault("stdout", subprocess.PIPE)
    streams.setdefault("stderr", subprocess.PIPE)
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([ASDCORE, *map(str, arguments)], env=environment, check=False, **streams)
    return done.returncode, (done.stderr or b"").decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["plugins"], ["plugins", "--json"], ["--help"], ["--version"], ["run", "--help"]]
)
def test_a_full_disk_under_stdout_is_one_message(arguments, unbuffered):
    with FULL.open("w") as full:
        code, said = run(*arguments, unbuffered=unbuffered, stdout=full)
    assert code == 2
    assert said.startswith("Error: The output of this command could not be written: No space left on device.")
    assert len(said.splitlines()) == 1


def test_a_run_whose_output_is_lost_is_kept(dataset, simple, tmp_path):
    with FULL.open("w") as full:
        code, said = run("run", simple, "--data", dataset, "--out", tmp_path / "run", stdout=full)
    assert (code, "Traceback" in said) == (2, False)
    assert (tmp_path / "run" / "run.json").is_file()


def test_a_reader_who_goes_ends_a_command_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        assert run("plugins", "--json", stdout=nobody) == (141, "")


def test_work_goes_on_where_messages_are_lost(dataset, simple, tmp_path):
    with FULL.open("w") as full:
        assert run("run", simple, "--data", dataset, "--out", tmp_path / "run", stderr=full)[0] == 0
        assert run("run", "nothing", "--data", dataset, "--out", tmp_path / "other", stderr=full)[0] == 2
    assert (tmp_path / "run" / "run.json").is_file()


def test_closed_streams_do_no_harm(dataset, simple, tmp_path):
    """The next file opened would get the number of a closed stream, and with it whatever is printed there."""
    out = tmp_path / "run"
    assert run("run", simple, "--data", dataset, "--out", out, preexec_fn=lambda: os.closerange(0, 3))[0] == 0
    assert (out / "run.json").is_file()


@pytest.mark.parametrize("arguments", [["plugins"], ["data", "index", "x"], ["run", "logmel-knn"], ["ledger"]])
def test_a_working_directory_that_is_gone_is_one_message(arguments, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code, said = run(*arguments, cwd=gone, preexec_fn=gone.rmdir)
    assert code == 2
    assert said.startswith("Error: The folder that this command was started in is gone")
    assert len(said.splitlines()) == 1


def test_help_needs_no_working_directory(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    assert run("--help", cwd=gone, preexec_fn=gone.rmdir) == (0, "")
