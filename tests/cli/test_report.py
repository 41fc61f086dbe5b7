"""The command report: one file and the tables that were asked for, and one message for a mistake."""

from __future__ import annotations

import csv

import pytest
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import DataError


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def runs(make_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    data = make_dataset(folder / "data", ("fan",))
    made = (asdcore.run("logmel-knn", data, folder / name, task="dcase2026", store=folder / "store") for name in "ab")
    return [one.folder for one in made]


def test_the_report_is_one_file_beside_the_run_and_its_place_is_printed(runs):
    done = report(runs[0])
    assert done.exit_code == 0, done.output
    path = runs[0] / "report.html"
    assert f"The report is in {path}" in done.stdout
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert 'src="http' not in text
    assert "<link" not in text.replace('<link rel="icon" href="data:,">', "")
    assert path.stat().st_size < 2_000_000


def test_several_runs_stand_side_by_side_with_tables_for_a_paper(runs, tmp_path):
    done = report(*runs, "--out", tmp_path / "both.html", "--csv", tmp_path / "tables", "--latex", tmp_path / "tables")
    assert done.exit_code == 0, done.output
    assert {one.name for one in (tmp_path / "tables").iterdir()} == {"systems.csv", "paper.csv", "paper.tex"}
    rows = list(csv.DictReader((tmp_path / "tables" / "systems.csv").read_text().splitlines()))
    system = next(iter(asdcore.load_run(runs[0]).about["portfolio"]["systems"]))
    assert [row["system"] for row in rows] == [f"a: {system}", f"b: {system}"]
    assert rows[0]["official score"] == rows[1]["official score"]
    assert "are the same to the official score" in (tmp_path / "both.html").read_text()


def test_a_folder_that_is_no_run_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="is no finished run"):
        report(tmp_path / "nothing", "--out", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
