"""Work in other processes: what is lost there ends in one message, and nothing that was finished is lost with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

import pytest

import asdcore
from asdcore.errors import AsdcoreError, DatasetError
from asdcore.execution import InProcess, executor, run_jobs

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


ENDS = "import os, signal, time\nfrom asdcore.errors import blamed, located\n{}"
AT_WORK = "with located('fan/a.wav'), blamed('scorer', 'theirs'): {}"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (
            "os._exit(0)",
            "scorer 'theirs', at fan/a.wav, ended its process with exit code 0 .*check-plugin theirs'",
        ),
        (
            "os._exit(9)",
            "scorer 'theirs', at fan/a.wav, ended its process with exit code 9 .*check-plugin theirs'",
        ),
        (
            "signal.raise_signal(11)",
            "scorer 'theirs', at .* signal 11 \\(SIGSEGV\\) .*FAULTHANDLER.*check-plugin theirs'",
        ),
        # Nobody's fault who was at work.
        (
            "signal.raise_signal(9)",
            "A worker process, at fan/a.wav, scorer 'theirs', was killed by signal 9 .*memory",
        ),
    ],
)
def test_a_plugin_that_ends_its_worker_process_is_named_with_its_work(end, told):
    others = ENDS.format("time.sleep(0.2)")
    with executor(2) as pool, pytest.raises(AsdcoreError, match=told):
        list(run_jobs(pool, exec, [others, ENDS.format(AT_WORK.format(end)), others]))


def test_workers_whose_plugin_leaves_a_thread_that_never_ends_are_ended(capfd):
    thread = "import threading\nthreading.Thread(target=threading.Event().wait, name='uploader').start()"
    short = "import asdcore.processes.last_threads\nasdcore.processes.last_threads.PATIENCE = 0.1"
    with executor(2) as pool:
        assert list(run_jobs(pool, exec, [f"{short}\n{thread}"] * 4)) == [None] * 4
    assert "a plugin has left threads that go on (uploader), and should end them" in capfd.readouterr().err


SCRIPT = """
import time
from asdcore.execution import executor, run_jobs
if __name__ == '__main__':
    with executor(2) as pool:
        for _ in run_jobs(pool, time.sleep, [0, 0, 600, 600]):
            print('works', flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_started_them(number, tmp_path):
    """However it ends: they hold its output open, so that a shell would wait for them, and all their memory."""
    (tmp_path / "script.py").write_text(SCRIPT)
    script = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert script.stdout is not None
    assert script.stdout.readline() == b"works\n"
    script.send_signal(number)
    script.communicate(timeout=60)  # it comes back when the last that holds the output has ended
    assert script.returncode == -number
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_an_interrupt_waits_while_workers_start():
    """A terminal sends it to them too, and one that still imports would show where."""

    waits: list[bool] = []

    class Starting(Executor):
        def submit(self, fn, /, *args):
            waits.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            return InProcess().submit(fn, *args)

    assert sorted(run_jobs(Starting(), str.upper, "ab")) == ["A", "B"]
    assert waits == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


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
    children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    own = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return own + [worker for child in children for worker in workers_of(child)]


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
    ended = r"Error: A worker process(, at .*,)? (was killed by signal 9 \(SIGKILL\)|ended before its work was done)"
    assert re.match(ended, said.splitlines()[-1])
    assert "the same command goes on" in said
    assert not (tmp_path / "run").exists()
    again = asdcore.run(simple, dataset, tmp_path / "run")
    assert again.about["tables"] == whole.about["tables"]
