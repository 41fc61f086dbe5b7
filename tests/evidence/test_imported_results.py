"""What was tried elsewhere is in the ledger once, as a look and a verdict; a wrong table adds nothing."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import EvaluationError

TABLE = """set,system,official_score,mean_auc,verdict,because,year
plant,density,0.437,0.5,,repeats have no distance,2026
plant,distance,0.585,,kept,,2026
other,density,0.6,,rejected,,
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "tried.csv"
    path.write_text(TABLE)
    return path


def test_a_row_is_a_look_and_a_verdict_and_is_taken_once(table):
    assert asdcore.import_results(table) == (3, 0)
    assert asdcore.import_results(table) == (0, 3)
    read = asdcore.ledger()
    assert read.chain.problems == []
    assert sorted(read.counts().values()) == [1, 2]
    first = read.looks[0]
    assert read.judgement_on(first, "density") == ("rejected", "repeats have no distance")


def test_rejected_results_are_held_against_the_kept_one_of_their_set(table):
    done = CliRunner().invoke(app, ["ledger", "--import", str(table), "--table"])
    assert done.exit_code == 0
    (row,) = [line for line in done.stdout.splitlines() if "repeats have no distance" in line]
    assert "-14.80" in row
    assert "43.70" in row


def test_the_same_table_again_says_that_nothing_was_appended(table):
    first, again = (CliRunner().invoke(app, ["ledger", "--import", str(table)]) for _ in range(2))
    assert "3 results appended." in first.stderr
    assert f"Nothing was appended: the ledger has all results of {table} already (3)." in again.stderr


def test_a_result_with_another_score_than_before_is_refused(table):
    asdcore.import_results(table)
    table.write_text(TABLE.replace("0.585", "0.595"))
    with pytest.raises(EvaluationError, match=r"row 2: distance on plant has 0.595 here and 0.585 in line \d+ of the"):
        asdcore.import_results(table)


FAULTS = {
    "two scores": (
        "set,system,official_score\np,s,0.5\np,s,0.6\n",
        "row 2: s on p has 0.6 here and 0.5 in row 1. If they are two trials",
    ),
    "percent": ("set,system,official_score\np,s,57.3\n", r"row 1: official_score is 57.3; .* 57.3 % is 0.573"),
    "no number": ("set,system,official_score\np,s,good\n", "official_score is good; a fraction"),
    "nan": ("set,system,official_score\np,s,nan\n", "official_score is nan"),
    "no system": ("set,system,official_score\np,,0.5\n", "row 1: system is empty"),
    "no column": ("set,official_score\np,0.5\n", "lacks the column system; needed are set, system, official_score"),
    "another column": ("set,system,official_score,becuase\np,s,0.5,x\n", "column 'becuase'. Did you mean 'because'"),
    "no rows": ("set,system,official_score\n", "has no rows"),
    "verdict": ("set,system,official_score,verdict\np,s,0.5,bad\n", "there is no verdict 'bad'"),
    "year": ("set,system,official_score,year\np,s,0.5,last\n", "year is 'last'"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_table_has_one_message_and_adds_nothing(tmp_path, text, message):
    path = tmp_path / "tried.csv"
    path.write_text(text)
    with pytest.raises(EvaluationError, match=message):
        asdcore.import_results(path)
    assert asdcore.ledger().looks == []
    with pytest.raises(EvaluationError, match="cannot be read as a table"):
        asdcore.import_results(tmp_path / "gone.csv")
