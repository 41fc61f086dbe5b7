"""asdcore ledger and asdcore verdict: what was tried is shown, and a changed record is an exit code of 1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asdcore.cli import app
from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import Look

GOLDEN = Path(__file__).parents[2] / "golden" / "official_2024"


def asdcore(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def log(tmp_path):
    """A ledger of one kept evaluation and one that nothing was said of yet, in the tests' own store."""
    path = tmp_path / "store" / "looks.jsonl"
    results = {"A": {"official_score": 0.6, "ci95": [0.55, 0.65], "mean_auc": 0.7, "mean_pauc": 0.5}}
    worse = {"T": {**results["A"], "official_score": 0.58, "ci95": None}}
    record_look(path, Look("run of base", "t" * 64, "1", 2026, results, verdict="kept"))
    record_look(path, Look("run of temporal", "t" * 64, "2", 2026, worse, hypothesis="helps the target"))
    return path


def test_no_ledger_yet():
    done = asdcore("ledger")
    assert (done.exit_code, "No label was looked at" in done.stdout) == (0, True)
    told = json.loads(asdcore("ledger", "--json").stdout)
    assert (told["intact"], told["entries"], told["looks"]) == (True, [], {})


def test_looks_are_shown_and_counted(log):
    done = asdcore("ledger")
    assert done.exit_code == 0
    (base,) = [line for line in done.stdout.splitlines() if "run of base" in line]
    assert base.split()[-5:] == ["60.00", "[55.00,", "65.00]", "kept", "-"]
    assert re.search(r"^ +1  2\d{3}-\d\d-\d\d \d\d:\d\d  run of base ", done.stdout, re.MULTILINE), "to the minute"
    assert "tttttttttttt      2" in done.stdout
    told = json.loads(asdcore("ledger", "--json").stdout)
    assert [entry["line"] for entry in told["entries"]] == [1, 2]
    assert (told["looks"], told["head"]["entries"]) == ({"t" * 64: 2}, 2)
    assert told["head"]["hash"] in done.stdout


def test_a_verdict_makes_the_table_of_negative_evidence(log):
    assert "Nothing was rejected" in asdcore("ledger", "--table").stdout
    assert asdcore("verdict", 2, "rejected", "--because", "pAUC fell", "--system", "T").exit_code == 0
    done = asdcore("ledger", "--table")
    (row,) = [line for line in done.stdout.splitlines() if "run of temporal" in line]
    assert row.split()[4:10] == ["T", "58.00", "-", "70.00", "50.00", "-2.00"]
    assert row.endswith("run of base: A  helps the target  rejected: pAUC fell")
    (told,) = json.loads(asdcore("ledger", "--json").stdout)["negative_evidence"]
    assert told["difference"] == pytest.approx(-0.02)


def test_a_changed_record_exits_with_1_and_names_the_line(log):
    log.write_text(log.read_text().replace("0.58", "0.68"))
    done = asdcore("ledger")
    assert done.exit_code == 1
    assert "line 2 has been edited" in done.stderr
    done = asdcore("ledger", "--json")
    assert (done.exit_code, done.stderr) == (1, "")
    assert json.loads(done.stdout)["problems"][0] == "line 2 has been edited"


def test_a_verdict_on_nothing_is_refused(log):
    assert isinstance(asdcore("verdict", 9, "kept").exception, EvaluationError)
    assert asdcore("verdict", 1, "maybe").exit_code == 2


def test_evaluate_passes_on_what_is_said(tmp_path):
    files = ["--scores", GOLDEN / "teams" / "teamA" / "tied", "--truth", GOLDEN, "--year", 2024]
    assert asdcore("evaluate", *files, "--hypothesis", "ties cost pAUC", "--verdict", "rejected").exit_code == 0
    (entry,) = json.loads(asdcore("ledger", "--json").stdout)["entries"]
    assert (entry["hypothesis"], entry["verdict"], entry["what"]) == ("ties cost pAUC", "rejected", "score files tied")


def test_a_column_in_which_nothing_stands_is_left_out_and_a_look_says_once_what_it_was(tmp_path):
    results = {
        name: {"official_score": 1.0, "ci95": [1.0, 1.0], "mean_auc": 1.0, "mean_pauc": 1.0} for name in ("a", "b")
    }
    record_look(tmp_path / "store" / "looks.jsonl", Look("run of two", "t" * 64, "1", 2026, results))
    heading, first, second = asdcore("ledger").stdout.splitlines()[:3]
    assert heading.split() == ["line", "time", "(UTC)", "what", "system", "score", "ci95"]
    assert first.endswith("run of two  a       100.00  [100.00, 100.00]")
    assert second.split() == ["1", "b", "100.00", "[100.00,", "100.00]"]
