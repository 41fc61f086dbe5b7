"""A run takes the place of an earlier one or of nothing, and of no file that no run wrote."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.errors import DataError, StoreError
from asdcore.runs.folder import (
    EVALUATION_FILE,
    PORTFOLIO_FILE,
    REPORT_FILE,
    RUN_FILE,
    TABLES,
    load_run,
)
from asdcore.runs.writing import check_out, write_run
from asdcore.store.digests.own_files import JOURNAL
from asdcore.store.digests.sealed_json import FIELD


def rewritten(run, finished, **more):
    """Write another run into the run's folder: one without decisions."""
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    tables = {name: getattr(finished, name) for name in TABLES}
    return write_run(run.folder, tables | {"decisions": finished.decisions[:0]}, said, **more)


def test_a_folder_of_a_person_is_refused_before_its_files_are_looked_through(tmp_path, monkeypatch):
    """Such as ``--out /``: it holds every file there is."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    monkeypatch.setattr(Path, "rglob", lambda *_, **__: pytest.fail("every file was looked at"))
    with pytest.raises(StoreError, match="holds files that no run wrote, such as home"):
        check_out(tmp_path)


def held(folder):
    """Return {path: bytes, or where a link leads} of everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def test_a_new_run_takes_the_place_of_the_old_with_all_that_was_said_of_it(run, finished):
    asdcore.evaluate(run)
    asdcore.report(run)
    assert (run.folder / EVALUATION_FILE).is_file()
    assert (run.folder / REPORT_FILE).is_file()
    again = rewritten(run, finished)
    assert not (run.folder / EVALUATION_FILE).exists()
    assert not (run.folder / REPORT_FILE).exists()
    assert len(again.decisions) == 0
    assert again.about["tables"]["scores"] == finished.about["tables"]["scores"]


def test_a_run_that_cannot_be_written_leaves_the_old_one(run, finished):
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    with pytest.raises(StoreError, match="missing columns"):
        write_run(run.folder, {name: getattr(finished, name).drop("clip") for name in TABLES}, said)

    def refuse(stage):
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        write_run(run.folder, {name: getattr(finished, name) for name in TABLES}, said, refuse)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    assert not list(run.folder.parent.glob(".writing-*"))


MOVES = len(TABLES) + 3
"""Of a run into its folder: the journal, the tables, the portfolio, the record."""


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("moment", range(MOVES + 1))
def test_a_stop_between_any_two_moves_leaves_a_whole_run_or_none(run, finished, monkeypatch, moment, beside):
    """The moves come last; whatever they leave half done has no record, and so is no run. Other files stay."""
    asdcore.evaluate(run)
    if beside:
        (run.folder / "notes.txt").write_text("mine")
    replace, moved = Path.replace, []

    def stopped(self, target):
        if self.parent != run.folder and Path(target).parent == run.folder:
            if len(moved) == moment:
                raise KeyboardInterrupt
            moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    if moment == MOVES:
        rewritten(run, finished)
    else:
        with pytest.raises(KeyboardInterrupt):
            rewritten(run, finished)
    monkeypatch.undo()
    if moment == 0:
        assert len(load_run(run.folder).decisions)
    elif moment < MOVES:
        with pytest.raises(DataError, match="is not a finished run"):
            load_run(run.folder)
    check_out(run.folder)
    assert len(rewritten(run, finished).decisions) == 0
    assert (run.folder / "notes.txt").exists() is beside
    assert not [one for one in run.folder.iterdir() if one.name.startswith(".")]


def spoil_text(path):
    path.unlink(missing_ok=True)
    path.write_text("mine")


def spoil_folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def spoil_link(path):
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


def spoil_pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def spoil_table(path):
    path.unlink(missing_ok=True)
    pl.DataFrame({"mine": [1]}).write_parquet(path)


def spoil_json(path):
    path.unlink(missing_ok=True)
    path.write_text('{"mine": 1}')


def spoil_edit(path):
    """Change one word of what may be an own file."""
    path.write_bytes(path.read_bytes().replace(b"a", b"b") if path.exists() else b"b")


FOREIGN = [spoil_text, spoil_folder, spoil_link, spoil_pipe, spoil_table, spoil_json, spoil_edit]
NAMES = [RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE, REPORT_FILE, *(f"{name}.parquet" for name in TABLES)]


@pytest.mark.parametrize("spoil", FOREIGN[:-1])
@pytest.mark.parametrize("name", [*NAMES, "thesis.tex"])
def test_a_folder_with_one_name_of_a_runs_is_no_runs(tmp_path, name, spoil):
    mine = tmp_path / "mine"
    mine.mkdir()
    spoil(mine / name)
    names = [one.name for one in mine.iterdir()]
    with pytest.raises(StoreError, match=rf"holds files that no run wrote, such as {name}\. Choose an empty or new"):
        check_out(mine)
    assert [one.name for one in mine.iterdir()] == names


@pytest.mark.parametrize("spoil", FOREIGN[:-1])
def test_a_foreign_file_of_the_journals_name_is_kept(run, finished, tmp_path, spoil):
    mine = tmp_path / "mine"
    mine.mkdir()
    for folder in (mine, run.folder):
        spoil(folder / JOURNAL)
        with pytest.raises(StoreError, match=rf"{JOURNAL} was not written by a run.*Move it away"):
            check_out(folder)
        assert (folder / JOURNAL).exists() or (folder / JOURNAL).is_symlink()
    with pytest.raises(StoreError, match="was not written by a run"):
        rewritten(run, finished)
    assert load_run(run.folder).about == run.about


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        (name, spoil)
        for name in NAMES
        for spoil in FOREIGN
        if name != RUN_FILE and (spoil is not spoil_edit or not name.endswith(".parquet"))  # which is a damaged one
    ],
)
def test_what_no_run_wrote_stays_beside_a_finished_run(run, finished, name, spoil):
    if spoil is spoil_edit and name == REPORT_FILE:
        asdcore.report(run)
    if spoil is spoil_edit and name == EVALUATION_FILE:
        asdcore.evaluate(run)
    spoil(run.folder / name)
    before = set(run.folder.iterdir())
    for attempt in (lambda: check_out(run.folder), lambda: rewritten(run, finished)):
        with pytest.raises(StoreError, match=rf"{name} was not written by a run.*Move it away"):
            attempt()
    assert set(run.folder.iterdir()) == before
    assert load_run(run.folder).about == run.about


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b""])
@pytest.mark.parametrize("name", [*(f"{name}.parquet" for name in TABLES), RUN_FILE])
def test_a_damaged_run_is_made_again_in_its_place(run, finished, name, damage):
    path = run.folder / name
    path.write_bytes(damage(path.read_bytes()) if name != RUN_FILE else path.read_bytes().replace(b"2026", b"2025"))
    assert len(rewritten(run, finished).decisions) == 0


def test_other_files_beside_a_run_stay_as_they_are(run, finished):
    (run.folder / "notes.txt").write_text("mine")
    (run.folder / "submission").mkdir()
    (run.folder / "submission" / "meta.yaml").write_text("mine")
    rewritten(run, finished)
    assert (run.folder / "notes.txt").read_text() == "mine"
    assert (run.folder / "submission" / "meta.yaml").read_text() == "mine"


def test_a_folder_of_the_runs_is_not_written_over_unless_it_wrote_it(run, finished):
    def beside(stage):
        (stage / "scores" / "a").mkdir(parents=True)
        (stage / "scores" / "a" / "x.csv").write_text("ours")

    (run.folder / "scores").mkdir()
    (run.folder / "scores" / "mine.csv").write_text("mine")
    before = held(run.folder)
    with pytest.raises(StoreError, match="scores was not written by a run"):
        rewritten(run, finished, beside=beside)
    assert held(run.folder) == before


def test_a_run_without_its_record_is_known_by_what_it_holds(run, finished):
    (run.folder / RUN_FILE).unlink()
    check_out(run.folder)
    assert len(rewritten(run, finished).decisions) == 0


@pytest.mark.parametrize("spoil", [one for one in FOREIGN if one is not spoil_edit])
def test_an_evaluation_writes_over_no_other_file_and_looks_at_nothing(run, spoil):
    asdcore.evaluate(run)
    looks = len(asdcore.ledger(run.about["store"]).looks)
    spoil(run.folder / EVALUATION_FILE)
    with pytest.raises(StoreError, match=r"evaluation.json was not written by an evaluation.*Move it away"):
        asdcore.evaluate(run)
    assert len(asdcore.ledger(run.about["store"]).looks) == looks
