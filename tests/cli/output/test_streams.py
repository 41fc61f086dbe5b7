"""A command whose output goes to a full disk, to nobody or nowhere: one message, and an exit code that is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asdcore.cli.output.export import export
from asdcore.cli.output.streams import is_answer_alone, own_streams, write_answer

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


TALKS = """
import os
import sys
from asdcore import hookimpl

class Talks:
    def fit(self, features, domain):
        print("by print", flush=True)
        os.write(1, b"by a library in C\\n")
        self.mean = features.mean(axis=0)
        return self

    def score(self, features):
        return {"pooled": abs(features - self.mean).sum(axis=1)}

@hookimpl
def register_scorers(register):
    register("talks", Talks)
"""

PORTFOLIO = """
name = "talks"
[branches.a]
encoder = { name = "logmel", n_mels = 16 }
scorer = "talks"
[systems.s]
weights = { a = 1.0 }
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_json_is_all_that_stands_on_stdout_whatever_a_plugin_prints(dataset, tmp_path, workers):
    site = tmp_path / "site"
    (site / "talks-1.0.dist-info").mkdir(parents=True)
    (site / "talks-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: talks\nVersion: 1.0\n")
    (site / "talks-1.0.dist-info" / "entry_points.txt").write_text("[asdcore]\ntalks = talks\n")
    (site / "talks.py").write_text(TALKS)
    portfolio = tmp_path / "talks.toml"
    portfolio.write_text(PORTFOLIO)
    words = ["run", portfolio, "--data", dataset, "--out", tmp_path / "run", "--store", tmp_path / "store", "--json"]
    environment = {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [ASDCORE, *map(str, words), "--workers", str(workers)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    assert json.loads(done.stdout)["folder"] == str(tmp_path / "run")
    assert {"by print", "by a library in C"} <= set(done.stderr.splitlines())


def test_a_stream_that_a_plugin_closes_stays_open(capsys):
    with own_streams():
        sys.stdout.close()
        print("heard")
    with own_streams(answer_alone=True):
        print("aside")
        write_answer("the answer")
        sys.stdout.close()
    assert capsys.readouterr() == ("heard\nthe answer\n", "aside\n")


@pytest.mark.parametrize(
    ("words", "alone"),
    [
        ("run demo --data d --out r --json", True),
        ("plugins --csv -", True),
        ("detect d.asd a.wav", True),
        ("monitor d.asd hall", True),
        ("run demo --data d --out r", False),
        ("evaluate detect", False),
    ],
)
def test_what_is_printed_for_a_program_stands_alone(words, alone):
    assert is_answer_alone(words.split()) is alone


def test_a_table_on_stdout_stands_alone(capsys):
    with own_streams(answer_alone=True):
        print("aside")
        export([{"a": 1}], Path("-"), None)
    assert capsys.readouterr() == ("a\n1\n", "aside\n")
