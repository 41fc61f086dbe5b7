"""A command that is ended from inside or outside: its exit code and one message say how, by real processes."""

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
from asdcore.store.disk.exclusive_folder import CLAIM

START = """
import atexit, os, signal, sys, threading, time
from asdcore.processes import last_threads
from asdcore.cli.supervised import supervised
from asdcore.errors import blamed, located
last_threads.PATIENCE = 0.2
def work():
    {}
sys.exit(supervised(work))
"""
PLUGIN = "with located('fan/a.wav'), blamed('view', 'theirs'): {}"
SAYS_SO = "print('at work', os.getpid(), flush=True); time.sleep(60)"


def started(body, **options):
    code, pipe = START.format(body), subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, **options)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("print('done')", 0, r"^$"),
        ("sys.exit(3)", 3, r"^$"),
        ("sys.exit('why')", 1, r"^why$"),
        ("1 / 0", 1, r"ZeroDivisionError: division by zero$"),
        (
            PLUGIN.format("os._exit(0)"),
            2,
            r"^Error: view 'theirs', at fan/a.wav, ended its process with exit code 0 before its work was done. A "
            r"plugin must not do so, as os._exit does: 'asdcore check-plugin theirs' may show where. What was finished "
            r"is kept: the same command goes on from there.$",
        ),
        (PLUGIN.format("signal.raise_signal(11)"), 2, r"^Error: view 'theirs', .* signal 11 .SIGSEGV. .*FAULTHANDLER"),
        (
            "from asdcore_plugins.scorers import knn; knn.KNN.score = lambda *_: os._exit(0); "
            "from asdcore.testing import check_installed; check_installed('knn')",
            2,
            r"^Error: scorer 'knn', at check_\w+, ended its process with exit code 0",
        ),
        (PLUGIN.format("os.abort()"), 2, r"^Error: view 'theirs', .* signal 6 \(SIGABRT\) .*FAULTHANDLER"),
        ("os._exit(0)", 2, r"^Error: This command ended with exit code 0 before its work was done\."),
        ("signal.raise_signal(9)", 2, r"^Error: This command was killed by signal 9 .* memory runs out.*goes on"),
        ("atexit.register(os.abort); sys.exit(1)", 1, r"^Warning: a library crashed .SIGABRT. after the command was"),
        (
            "threading.Thread(target=time.sleep, args=(60,), name='uploader').start(); sys.exit(1)",
            1,
            r"^Warning: a plugin has left threads that go on \(uploader\), and should end them\. All work was done",
        ),
        ("atexit.register(time.sleep, 60)", 0, r"^Warning: a library does not end\."),
    ],
)  # fmt: skip
def test_a_command_ends_with_its_exit_code_and_what_ends_it_is_said(body, code, said):
    with started(body) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert re.search(said, err.strip()), err
    assert out == ("done\n" if "done" in body else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_command_ends_its_work_and_is_how_it_ended(number):
    # Under nohup, tests ignore SIGHUP, and so would what they start.
    with started(SAYS_SO, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)) as process:
        worker = int(process.stdout.readline().split()[-1])
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (-number, "")
    assert not Path(f"/proc/{worker}").exists()


def test_an_interrupt_reaches_the_work_once_and_its_exit_code_counts():
    count = "signal.signal(signal.SIGINT, lambda *_: (print('once'), sys.exit(130))); "
    with started(count + SAYS_SO) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "once\n", "")


@pytest.mark.parametrize("sent", [1, 2])
@pytest.mark.parametrize("to_all", [True, False])
def test_interrupts_reach_the_work_as_often_as_they_are_sent(sent, to_all):
    """Whether they are sent to the command alone or to its group, as a script and Ctrl-C do."""
    body = "got = []; signal.signal(signal.SIGINT, lambda *_: got.append(1)); print('at work', flush=True); "
    with started(body + f"time.sleep({sent}); print(len(got))", start_new_session=True) as process:
        process.stdout.readline()
        for _ in range(sent):
            (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
            time.sleep(0.6)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"{sent}\n", "")


def test_a_signal_that_was_ignored_stays_so():
    ignoring = f"trap '' HUP; exec {sys.executable} -c \"$0\""
    body = "os.kill(os.getppid(), signal.SIGHUP); time.sleep(0.2); print('still here')"
    done = subprocess.run(["sh", "-c", ignoring, START.format(body)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("still here\n", "")


def test_no_file_of_ours_takes_the_place_of_a_closed_stream():
    body = "os.write(1, b'x' * 99); os.write(2, b'x' * 99); signal.raise_signal(11)"
    closed = f'exec {sys.executable} -c "$0" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", closed, START.format(PLUGIN.format(body))], check=False).returncode == 2


def test_work_ends_with_the_command_that_is_killed():
    with started(SAYS_SO) as process:
        worker = int(process.stdout.readline().split()[-1])
        process.kill()
        process.communicate(timeout=30)  # its pipes are closed by the work too
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{worker}").exists()


def test_a_run_goes_on_after_a_plugin_that_ended_its_process(dataset, simple, tmp_path):
    whole = asdcore.run(simple, dataset, tmp_path / "whole", store=tmp_path / "another store")
    how = f"{str(simple)!r}, {str(dataset)!r}, {str(tmp_path / 'run')!r}, store={str(tmp_path / 'store')!r}"
    ending = "from asdcore_plugins.scorers import knn; knn.KNN.fit_distances = lambda *_, **__: os._exit(0); "
    with started(f"import asdcore; {ending}asdcore.run({how})") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.search(r"Error: scorer 'knn', at branch '\w+', \w+ section 00, ended its process with exit code 0", err)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CLAIM]
    again = asdcore.run(simple, dataset, tmp_path / "run", store=tmp_path / "store")
    assert again.about["tables"] == whole.about["tables"]


def test_a_system_that_lacks_what_it_takes_runs_the_command_all_the_same():
    code = """
import os, signal, sys
for module, name in ((os, "memfd_create"), (os, "pipe2"), (os, "sched_getaffinity"), (signal, "sigwaitinfo")):
    delattr(module, name)
from asdcore.cli import supervised
sys.argv = ["asdcore", "plugins", "nowhere"]
assert not supervised.SUPERVISES
supervised.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_interrupt_while_the_command_line_loads_ends_it_without_a_trace():
    code = """
import os, signal, sys
from asdcore.__main__ import main
class Interrupting:
    def find_spec(self, name, *_):
        if name == "asdcore.cli.supervised":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["asdcore", "plugins"]
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
