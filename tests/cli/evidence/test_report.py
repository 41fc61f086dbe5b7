"""The command report: one file and the tables that were asked for, and one message for a mistake."""

from __future__ import annotations

import csv
import shutil

import pytest
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import DataError, StoreError
from asdcore.store.digests.own_files import NOTES
from asdcore.store.digests.sealed_json import seal_page


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
    shown = {one.name for one in (tmp_path / "tables").iterdir() if not one.name.startswith(".")}
    assert shown == {"systems.csv", "paper.csv", "paper.tex"}
    rows = list(csv.DictReader((tmp_path / "tables" / "systems.csv").read_text().splitlines()))
    system = next(iter(asdcore.load_run(runs[0]).about["portfolio"]["systems"]))
    assert [row["system"] for row in rows] == [f"a: {system}", f"b: {system}"]
    assert rows[0]["official score"] == rows[1]["official score"]
    assert "have the same official score" in (tmp_path / "both.html").read_text()


def test_a_folder_that_is_no_run_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="is not a finished run"):
        report(tmp_path / "nothing", "--out", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_report_and_its_tables_are_written_anew(runs, tmp_path):
    given = (runs[0], "--out", tmp_path / "a.html", "--csv", tmp_path / "tables", "--latex", tmp_path / "tables")
    for _ in range(2):
        assert report(*given).exit_code == 0


@pytest.mark.parametrize(
    "name", ["systems.parquet", "run.json", "mine.html", "link.html", "nowhere.html", "edited.html"]
)
def test_no_other_file_is_written_over_by_a_report(runs, tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    (run / "mine.html").write_text("<!doctype html>mine")
    (run / "edited.html").write_text(seal_page("<!doctype html>") + "and a note of mine")
    (run / "ours.html").write_text(seal_page("<!doctype html>"))
    (run / "link.html").symlink_to("ours.html")
    (run / "nowhere.html").symlink_to("nowhere")
    before = {one: one.is_symlink() or one.read_bytes() for one in run.iterdir()}
    looks = len(asdcore.ledger(runs[0].parent / "store").looks)
    with pytest.raises(StoreError, match=rf"{name} exists and was not written by asdcore.*Move it away"):
        report(run, "--out", run / name)
    assert {one: one.is_symlink() or one.read_bytes() for one in run.iterdir()} == before
    assert len(asdcore.ledger(runs[0].parent / "store").looks) == looks


@pytest.mark.parametrize(
    ("option", "name"), [("--csv", "systems.csv"), ("--csv", "paper.csv"), ("--latex", "paper.tex")]
)
def test_no_other_table_is_written_over(runs, tmp_path, option, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=rf"{name} exists and was not written by asdcore.*another folder with"):
        report(runs[0], "--out", tmp_path / "a.html", option, tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("option", ["--csv", "--latex"])
def test_a_foreign_file_of_the_name_of_the_notes_is_kept(runs, tmp_path, option):
    (tmp_path / NOTES).write_text("mine")
    with pytest.raises(StoreError, match=rf"{NOTES} is not what asdcore wrote.*another folder with {option}"):
        report(runs[0], "--out", tmp_path / "a.html", option, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [NOTES]
    assert (tmp_path / NOTES).read_text() == "mine"
