"""Tables as files: every command that prints a table also writes it, and never over a file."""

from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from asdcore.cli import app
from asdcore.cli.output.export import export
from asdcore.errors import AsdcoreError

ROWS = [{"system": "a_b", "score": 0.51234567, "ci95": [0.4, 0.6], "kept": None}]


def test_numbers_are_written_in_full(tmp_path):
    export(ROWS, tmp_path / "t.csv", None)
    assert pl.read_csv(tmp_path / "t.csv").row(0) == ("a_b", 0.51234567, 0.4, 0.6, None)


def test_latex_is_escaped_with_numbers_to_the_right(tmp_path):
    export(ROWS, None, tmp_path / "t.tex")
    told = (tmp_path / "t.tex").read_text()
    assert "\\begin{tabular}{lrrrr}" in told
    assert r"a\_b & 0.5123 & 0.4 & 0.6 &  \\" in told


def test_latex_may_get_a_table_of_its_own_which_csv_does_not(tmp_path):
    export(ROWS, tmp_path / "t.csv", tmp_path / "t.tex", lambda: [{"score": "51.23"}])
    assert "0.51234567" in (tmp_path / "t.csv").read_text()
    assert "score \\\\\n\\midrule\n51.23" in (tmp_path / "t.tex").read_text()


def test_all_columns_without_latex_is_refused_before_any_look():
    told = CliRunner().invoke(app, ["evaluate", "no run", "--all-columns"])
    assert "--all-columns says what --latex writes: give --latex FILE, too" in str(told.exception)


def test_sentences_are_in_csv_and_not_in_latex(tmp_path):
    export([{"p": 0.5, "sentence": "it may be chance"}], tmp_path / "t.csv", tmp_path / "t.tex")
    assert (tmp_path / "t.csv").read_text() == "p,sentence\n0.5,it may be chance\n"
    assert "sentence" not in (tmp_path / "t.tex").read_text()


@pytest.mark.parametrize("option", ["csv", "latex"])
def test_no_file_is_written_over(tmp_path, option):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    with pytest.raises(AsdcoreError, match=f"mine exists and is not written over. Choose another file with --{option}"):
        export(ROWS, *([mine, None] if option == "csv" else [None, mine]))
    assert mine.read_text() == "precious"


def test_a_minus_is_stdout_and_nothing_else_is_printed():
    told = CliRunner().invoke(app, ["registry", "list", "--csv", "-"])
    assert told.exit_code == 0
    assert told.stdout.startswith("id,kind,plugin")
    told = CliRunner().invoke(app, ["plugins", "--latex", "-"])
    assert told.stdout.startswith("% Made by asdcore")


@pytest.mark.parametrize(
    "command",
    [
        "evaluate",
        "compare",
        "select",
        "ledger",
        "complexity",
        "plugins",
        "registry list",
        "audit-views",
        "decisions",
        "data index",
    ],
)
def test_every_table_can_be_had_as_a_file(command):
    told = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"}).stdout
    assert "--csv" in told
    assert "--latex" in told


def test_a_table_is_written_beside_the_json_too(tmp_path):
    for command in ("registry list", "plugins"):
        table = tmp_path / f"{command}.csv"
        told = CliRunner().invoke(app, [*command.split(), "--json", "--csv", str(table)])
        assert isinstance(json.loads(told.stdout), dict)
        assert len(pl.read_csv(table)) > 10


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "mine").write_text("precious")
    one, there = str(tmp_path / "one"), str(tmp_path / "mine")
    for options, said in (
        (["--json", "--csv", "-"], "Stdout is for one answer: --csv and --json ask for it"),
        (["--csv", "-", "--latex", "-"], "--csv and --latex ask for it"),
        (["--csv", one, "--latex", one], "--csv and --latex name the same file"),
        (["--csv", one, "--latex", there], "mine exists and is not written over"),
    ):
        told = CliRunner().invoke(app, ["evaluate", "no run", *options])
        assert said in str(told.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_an_index_of_clips_is_written_alone(tmp_path):
    arguments = ["data", "index", str(tmp_path), "--write-index", str(tmp_path / "clips.csv"), "--json"]
    told = CliRunner().invoke(app, arguments)
    assert "--write-index writes" in str(told.exception)
    assert list(tmp_path.iterdir()) == []
