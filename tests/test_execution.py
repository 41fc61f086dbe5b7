"""Work in other processes: what is lost there ends in one message, and nothing that was finished is lost with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import asdcore
from asdcore.errors import AsdcoreError, DatasetError
from asdcore.execution import executor, run_jobs

ASDCORE = Path(sys.executable).parent / "asdcore"


@pytest.mark.parametrize(("workers", "jobs"), [(1, "abc"), (2, "abc"), (2, "")])
def test_every_job_is_done_once(workers, jobs):
    with executor(workers) as pool:
        assert sorted(run_jobs(pool, str.upper, jobs)) == list(jobs.upper())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_is_killed_is_told_in_one_message(number):
    with (
        executor(2) as pool,
        pytest.raises(AsdcoreError, match=f"killed by signal {number.value} \\({number.name}\\).*goes on") as told,
    ):
        list(run_jobs(pool, signal.raise_signal, [number] * 3))
    # The system sends no other where memory runs out.
    assert ("memory" in str(told.value)) is (number == signal.SIGKILL)


def test_a_worker_that_ends_by_itself_is_told_with_its_code():
    with executor(2) as pool, pytest.raises(AsdcoreError, match="ended with exit code 7"):
        list(run_jobs(pool, os._exit, [7]))


def test_a_pool_that_was_lost_says_so_again():
    with executor(2) as pool:
        for _ in range(2):
            with pytest.raises(AsdcoreError, match="A worker process .* before its work was done"):
                list(run_jobs(pool, signal.raise_signal, [signal.SIGKILL]))


def test_a_script_without_the_usual_guard_is_told_of_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from asdcore.execution import executor, run_jobs\n"
        "with executor(2) as pool:\n"
        "    list(run_jobs(pool, str.upper, 'ab'))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "only under 'if __name__ == \"__main__\":'" in done.stderr


UNTRAVELLED = """
import json
class Twofold(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
Twofold.__module__, Twofold.__qualname__ = MODULE, "Twofold"
json.Twofold = Twofold
raise Twofold("this", "that")
"""


@pytest.mark.parametrize("module", ["json", "nowhere"])  # one that pickles and does not unpickle, one that does neither
def test_an_error_that_could_not_travel_arrives_as_its_words(module):
    with executor(2) as pool, pytest.raises(RuntimeError, match="Twofold: this and that"):
        list(run_jobs(pool, exec, [UNTRAVELLED.replace("MODULE", repr(module))]))


def test_an_error_of_a_dataset_arrives_whole():
    raising = "from asdcore.errors import DatasetError\nraise DatasetError('bad', ['a.wav: cut short'])"
    with executor(2) as pool, pytest.raises(DatasetError, match="bad\n  - a.wav") as told:
        list(run_jobs(pool, exec, [raising]))
    assert told.value.problems == ["a.wav: cut short"]


@pytest.mark.parametrize(
    "error", [OSError(30, "Read-only file system"), ImportError("no sem_open"), OSError(28, "full")]
)
def test_a_system_without_room_for_locks_is_told_what_to_do(monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    with pytest.raises(AsdcoreError, match="/dev/shm.*'--workers 1' does without"), executor(2):
        pass


def workers_of(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_a_killed_worker_ends_a_run_in_one_message_and_the_next_goes_on(dataset, simple, tmp_path):
    whole = asdcore.run(simple, dataset, tmp_path / "whole", store=tmp_path / "another store")
    command = [ASDCORE, "run", simple, "--data", dataset, "--out", tmp_path / "run", "--workers", "2"]
    process = subprocess.Popen([str(one) for one in command], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    # Both: if one dies while Python starts another, that one gets a pipe that is closed already, and says so.
    while len(alive := workers_of(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(alive[0], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in said
    # The signal is named only if the system reports it while asdcore waits for it.
    ended = r"Error: A worker process (was killed by signal 9 \(SIGKILL\)|ended before its work was done)"
    assert re.match(ended, said.splitlines()[-1])
    assert "the same command goes on" in said
    assert not (tmp_path / "run").exists()
    again = asdcore.run(simple, dataset, tmp_path / "run")
    assert again.about["tables"] == whole.about["tables"]
