"""The command line: quick to answer, one message for a mistake, and numbers that a program can read."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from asdcore.cli import _with_command_of, app, main
from asdcore.errors import AsdcoreError

GOLDEN = Path(__file__).parent / "golden" / "official_2024"
ASDCORE = Path(sys.executable).parent / "asdcore"


def asdcore(*arguments, cwd=None, env=None, preexec_fn=None):
    return subprocess.run(
        [ASDCORE, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        preexec_fn=preexec_fn,
    )


@pytest.fixture
def here(capsys, monkeypatch):
    """A command in this process, where a new one (and all that it imports) would show nothing more."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["asdcore", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, ended.value.code, said.out, said.err)

    return call


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["run", "--help"], ["--version"]])
def test_a_quick_answer_imports_nothing_heavy(imported_by, arguments):
    imported = imported_by(
        "import contextlib, io, asdcore.cli\n"
        f"sys.argv = ['asdcore', *{arguments!r}]\n"
        "with contextlib.redirect_stdout(io.StringIO()) as answer, contextlib.suppress(SystemExit):\n"
        "    asdcore.cli.main()\n"
        "assert answer.getvalue()"
    )
    assert not imported & {"torch", "transformers", "sklearn", "scipy", "polars", "pydantic", "numpy"}


@pytest.mark.parametrize(("asked", "kept"), [(None, "4"), ("20", "20")])
def test_idle_threads_of_blas_sleep_unless_asked_otherwise(here, monkeypatch, asked, kept):
    name = "OPENBLAS_THREAD_TIMEOUT"
    monkeypatch.setenv(name, asked or "")
    if asked is None:
        monkeypatch.delenv(name)
    here("--version")
    assert os.environ[name] == kept


@pytest.mark.parametrize("asked", ["evaluate", "check-submission", "data index"])
def test_the_command_that_is_asked_for_is_built_alone(asked):
    built = get_command(_with_command_of(["--debug", *asked.split(), "--help"]))
    assert list(built.commands) == asked.split()[:1]


@pytest.mark.parametrize("asked", [[], ["--help"], ["evaluat"], ["index"]])
def test_all_commands_are_built_to_be_listed(asked):
    assert _with_command_of(asked) is app


def test_every_command_has_a_help_text(here):
    single = "demo run evaluate freeze verify infer package check-submission plugins new-plugin check-plugin complexity"
    single += " compare report audit-views ledger verdict select decisions export detect adapt explain"
    grouped = [f"data {one}" for one in ("synth", "index", "fetch")]
    grouped += [f"registry {one}" for one in ("list", "verify", "add", "fetch")]
    grouped += [f"audit {one}" for one in ("plan", "decide")]
    overviews = {name: here(*name.split(), "--help").stdout for name in ("", "data", "registry", "audit")}
    summaries = [line for overview in overviews.values() for line in overview.splitlines() if line.startswith("  ")]
    assert [line for line in summaries if line.endswith("...")] == [], "a summary is cut off"
    for command in (*single.split(), *grouped):
        group, _, name = command.rpartition(" ")
        assert f"  {name} " in overviews[group]
        done = here(*command.split(), "--help")
        assert done.returncode == 0
        assert re.match(rf"Usage: .*asdcore {command} ", done.stdout)


def test_plugins_as_json(here):
    done = json.loads(here("plugins", "--json").stdout)
    names = {(row["kind"], row["name"]) for row in done["components"]}
    assert {("encoder", "logmel"), ("scorer", "knn"), ("guard", "tail"), ("dataset", "dcase2026")} <= names
    assert all(len(row["source_sha256"]) == 64 for row in done["components"])


def test_run_and_evaluate(here, dataset, fused, tmp_path):
    done = asdcore("run", fused, "--data", dataset, "--out", tmp_path / "run", "--task", "dcase2026")
    assert done.returncode == 0, done.stderr
    assert f"asdcore evaluate {tmp_path / 'run'}" in done.stdout
    told = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert [word for word in told if word != "note"] == ["clips", "embed", "score", "fuse"]
    shown = here("evaluate", tmp_path / "run")
    assert "ALL anomalies of the section" in shown.stdout
    told = json.loads(here("evaluate", tmp_path / "run", "--json").stdout)
    assert told["year"] == 2026
    assert set(told["systems"]) == {"plain", "guarded"}
    cell = told["systems"]["plain"]["cells"][0]
    assert {"machine", "section", "auc_source", "auc_target", "pauc"} <= set(cell)
    assert 0 <= told["systems"]["plain"]["official_score"] <= 1
    assert f"{100 * told['systems']['plain']['official_score']:.2f}" in shown.stdout


def test_evaluate_equals_the_official_evaluator(here):
    done = here("evaluate", "--scores", GOLDEN / "teams", "--truth", GOLDEN, "--year", 2024, "--json")
    told = json.loads(done.stdout)["systems"]
    for team, name in (("teamA", "plausible"), ("teamA", "tied"), ("teamB", "baselinestyle")):
        lines = (GOLDEN / "teams_result" / f"{name}_result.csv").read_text().splitlines()
        official = next(float(line.split(",")[2]) for line in lines if line.startswith("official score,"))
        assert told[f"{team}/{name}"]["official_score"] == pytest.approx(official, rel=1e-12, abs=0)


def test_every_look_at_the_labels_is_logged(here, tmp_path):
    for name in ("plausible", "tied", "plausible"):
        arguments = ["--scores", GOLDEN / "teams" / "teamA" / name, "--truth", GOLDEN, "--year", 2024, "--json"]
        assert here("evaluate", *arguments).returncode == 0
    looks = [json.loads(line) for line in (tmp_path / "store" / "looks.jsonl").read_text().splitlines()]
    assert len({look["truth"] for look in looks}) == 1
    assert looks[0]["evaluated"] == looks[2]["evaluated"] != looks[1]["evaluated"]


def test_synth_and_index(here, tiny_sound, copied, tmp_path):
    copied(tiny_sound, tmp_path / "sound")  # which is found whole but for a clip: to make all takes two seconds
    next((tmp_path / "sound" / "SynFan" / "train").glob("*.wav")).unlink()
    done = here("data", "synth", tmp_path / "sound", "--profile", "tiny")
    assert done.returncode == 0, done.stderr
    told = json.loads(here("data", "index", tmp_path / "sound", "--task", "dcase2026", "--json").stdout)
    assert told["problems"] == []
    rows = {(row["machine"], row["split"]): row for row in told["machines"]}
    assert rows["SynFan", "train"] == {
        "machine": "SynFan", "section": "00", "split": "train", "clips": 50, "source": 40, "target": 10,
    }  # fmt: skip
    assert rows["SynFan", "test"]["clips"] == 48
    places = {row["machine"]: row for row in told["recordings"]}
    assert places["SynFan"]["train"] == places["SynFan"]["ordered"] == 50
    shown = here("data", "index", tmp_path / "sound", "--task", "dcase2026").stdout.splitlines()
    assert any(line.split() == ["machine", "section", "train", "ordered", "recordings"] for line in shown)


def test_index_lists_problems_and_exits_with_1(here, dataset, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    clip = next((root / "fan" / "test").iterdir())
    clip.write_bytes(b"")
    done = here("data", "index", root, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [clip.name in problem for problem in told["problems"]] == [True]
    assert {row["machine"] for row in told["machines"]} == {"fan", "3DPrinter"}
    assert f"problem: fan/test/{clip.name}" in here("data", "index", root).stdout


MISTAKES = {
    "an unknown key": ("encoder", "veiw = 'near'\nencoder", r"veiw: no such key. Did you mean 'view'?"),
    "an unknown plugin": ("logmel", "logmell", r"No encoder is named 'logmell'. Did you mean 'logmel'?"),
    "an unknown parameter": ("metric", "metrik", r"takes no parameter 'metrik'. Did you mean 'metric'?"),
    "an unknown branch": ("{ near_knn", "{ far_knn", r"names the branch 'far_knn', which does not exist"),
    "no TOML": ("[systems", "[[[systems", "is not TOML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_portfolio_is_one_message_and_no_file(here, dataset, simple, tmp_path, mistake):
    old, new, said = MISTAKES[mistake]
    simple.write_text(simple.read_text().replace(old, new, 1))
    before = files(tmp_path)
    done = here("run", simple, "--data", dataset, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == before
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_dataset(here, simple, tmp_path):
    (tmp_path / "papers").mkdir()
    done = here("run", simple, "--data", tmp_path / "papers", "--out", tmp_path / "run")
    assert (done.returncode, "ROOT/<machine>/train/" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert not (tmp_path / "run").exists()


def test_a_damaged_cache_file(here, dataset, simple, tmp_path):
    assert here("run", simple, "--data", dataset, "--out", tmp_path / "run").returncode == 0
    shard = next((tmp_path / "store" / "features").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:100])
    before = files(tmp_path)
    done = here("run", simple, "--data", dataset, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "cut short" in done.stderr
    assert f"rm {shard}" in done.stderr
    assert files(tmp_path) == before
    shard.unlink()
    assert here("run", simple, "--data", dataset, "--out", tmp_path / "run").returncode == 0
    assert files(tmp_path / "store") == {p: b for p, b in before.items() if "store" in p.parts} | {
        shard: shard.read_bytes()
    }


def no_file_beyond(size):
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_takes_no_more(dataset, simple, tmp_path):
    done = asdcore("run", simple, "--data", dataset, "--out", tmp_path / "run", preexec_fn=lambda: no_file_beyond(1000))
    assert done.returncode == 2, done.stderr
    assert "Cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
    assert not files(tmp_path / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(dataset, simple, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    done = asdcore("run", simple, "--data", dataset, "--out", tmp_path / "locked" / "run")
    assert (done.returncode, "permission denied" in done.stderr) == (2, True)


def test_a_file_where_a_folder_belongs(here, dataset, simple, tmp_path):
    (tmp_path / "file").write_text("")
    for out, store in (("file", "s"), ("file/run", "s"), ("run", "file"), ("run", "file/s")):
        done = here("run", simple, "--data", dataset, "--out", tmp_path / out, "--store", tmp_path / store)
        assert done.returncode == 2, (out, store)
        assert "Traceback" not in done.stderr
        assert "file" in done.stderr
        assert not (tmp_path / "run").exists()


def test_debug_shows_the_trace_wherever_it_stands(here, tmp_path):
    for arguments in (["--debug", "evaluate", tmp_path], ["evaluate", tmp_path, "--debug"]):
        with pytest.raises(AsdcoreError):
            here(*arguments)


@pytest.mark.parametrize(
    "arguments", [["rum"], ["run"], ["evaluate"], ["evaluate", "--scores", "x"], ["demo", "--profile", "big"], ["data"]]
)
def test_wrong_use_exits_with_2(here, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = here(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "before", [[], ["data"], ["run"], ["run", "demo", "--data"], ["--"], ["evaluate", "--scores", "x", "--year"]]
)
@pytest.mark.parametrize("dashes", ["", "--"])
def test_what_was_typed_is_not_repeated_at_any_length(here, before, dashes):
    done = here(*before, f"{dashes}{'x' * 100_000}")
    assert done.returncode == 2
    assert len(done.stderr) < 1000


def test_an_interrupt_that_a_library_swallows_comes_again():
    code = (
        "import os, signal, time\n"
        "from asdcore import cli\n"
        "signal.signal(signal.SIGINT, cli._stop)\n"
        "class Deaf:\n"
        "    def __del__(self):\n"  # Python drops what is raised here
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        sum(range(1000))\n"
        "Deaf()\n"
        "time.sleep(60)\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Stopped. What was computed is kept: the same command goes on from there.\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_in_one_message(dataset, fused, tmp_path, workers):
    command = [ASDCORE, "run", fused, "--data", dataset, "--out", tmp_path / "run", "--workers", str(workers)]
    process = subprocess.Popen(
        [str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith(("clips", "note"))
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert "Traceback" not in rest
    assert "the same command goes on from there" in rest
    assert process.returncode == 130
    assert not (tmp_path / "run").exists()


def test_a_message_that_quotes_a_file_stays_short(here, tmp_path):
    (tmp_path / "wide.csv").write_text(",".join(f"column {i}" for i in range(20_000)) + "\n")
    done = here("ledger", "--import", tmp_path / "wide.csv", "--store", tmp_path / "store")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr) < 2100
    assert not (tmp_path / "store").exists()
