"""A run folder is a whole run or none, and knows when it was touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.errors import DataError, StoreError
from asdcore.runs import (
    EVALUATION_FILE,
    PORTFOLIO_FILE,
    REPORT_FILE,
    RUN_FILE,
    SCHEMA,
    TABLES,
    VOLATILE,
    load_run,
    write_run,
)
from asdcore.store.seal import FIELD, is_sealed, seal, unsealed


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """A finished run; tests that spoil one take a copy."""
    home = tmp_path_factory.mktemp("finished")
    portfolio = home / "p.toml"
    portfolio.write_text(
        'name = "p"\n[branches.b]\nencoder = { name = "logmel", n_mels = 16, power = 2.0 }\nscorer = "knn"\n'
        "[systems.S]\nweights = { b = 1.0 }\n"
    )
    return asdcore.run(portfolio, dataset, home / "run", store=home / "store")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run."""
    tables = {name: getattr(finished, name) for name in TABLES}
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    return write_run(tmp_path / "run", tables, said)


def resealed(path: Path, **changed) -> None:
    about = json.loads(path.read_text()) | changed | {FIELD: unsealed()}
    path.write_bytes(seal(json.dumps(about).encode()))


def test_what_was_written_is_read(finished, run):
    assert run.about | {FIELD: ""} == finished.about | {FIELD: ""}
    for name in TABLES:
        assert getattr(load_run(run.folder), name).equals(getattr(finished, name))
    assert {path.name for path in run.folder.iterdir()} == {
        RUN_FILE, PORTFOLIO_FILE, *(f"{name}.parquet" for name in TABLES),
    }  # fmt: skip


def test_its_meaning_is_all_but_places_and_timings(run):
    assert set(run.about) - set(run.meaning) == set(VOLATILE)
    assert {"portfolio", "plugins", "tables", "features", "data_digest", "code_sha256"} <= set(run.meaning)


def test_the_record_is_sealed_and_any_touched_byte_shows(run):
    path = run.folder / RUN_FILE
    content = path.read_bytes()
    assert is_sealed(content)
    for i in range(0, len(content), 37):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        with pytest.raises(StoreError, match=r"run.json cannot be read \(.*\). Run the portfolio again into"):
            load_run(run.folder)


def test_an_edited_record_is_said_to_have_changed(run):
    path = run.folder / RUN_FILE
    path.write_text(path.read_text().replace('"year": 20', '"year": 19'))
    with pytest.raises(StoreError, match="it has changed since it was written"):
        load_run(run.folder)


def test_the_portfolio_beside_it_runs_again_to_the_same_result(run, dataset, finished, tmp_path):
    path = run.folder / PORTFOLIO_FILE
    assert json.loads(path.read_text()) == finished.about["portfolio"]
    assert '"power": 2.0' in path.read_text()
    again = asdcore.run(path, dataset, tmp_path / "again", store=finished.about["store"])
    assert again.meaning == finished.meaning


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": SCHEMA - 1}, f"its schema is {SCHEMA - 1}, this asdcore reads {SCHEMA}"),
        ({"schema": None}, "its schema is None"),
        ({"tables": {}}, "tables names "),
        ({"tables": []}, r"tables is \[\]"),
        ({"portfolio": "p"}, "portfolio is 'p'"),
        ({"store": 5}, "store is 5"),
    ],
)
def test_a_record_that_no_run_writes_is_refused(run, changed, said):
    resealed(run.folder / RUN_FILE, **changed)
    with pytest.raises(StoreError, match=rf"run.json cannot be read \({said}"):
        load_run(run.folder)


@pytest.mark.parametrize("content", [b"", b"5", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"schema": 2}'])
def test_what_is_no_record_is_refused(run, content):
    (run.folder / RUN_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"run.json cannot be read"):
        load_run(run.folder)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_refused_and_holds_nobody_up(run, make):
    (run.folder / RUN_FILE).unlink()
    make(run.folder / RUN_FILE)
    with pytest.raises(StoreError, match="it is no regular file"):
        load_run(run.folder)


def test_a_folder_without_a_record_is_no_run(run, tmp_path):
    (run.folder / RUN_FILE).unlink()
    for folder in (run.folder, tmp_path / "nowhere", run.folder / PORTFOLIO_FILE):
        with pytest.raises(DataError, match=r"is no finished run: it has no run.json.*asdcore run PORTFOLIO"):
            load_run(folder)


def test_a_table_that_the_record_does_not_name_is_refused(run):
    path = run.folder / "decisions.parquet"
    frame = run.decisions.with_columns(decision=pl.lit(0, pl.Int8))
    assert not frame.equals(run.decisions)
    frame.write_parquet(path)
    with pytest.raises(StoreError, match="decisions.parquet has changed since it was written"):
        _ = load_run(run.folder).decisions


def test_a_new_run_takes_the_place_of_the_old_with_all_that_was_said_of_it(run, finished):
    (run.folder / EVALUATION_FILE).write_text("{}")
    (run.folder / REPORT_FILE).write_text("of the run before")
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    tables = {name: getattr(finished, name) for name in TABLES}
    again = write_run(run.folder, tables | {"decisions": finished.decisions[:0]}, said)
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


@pytest.mark.parametrize("moment", range(8))
def test_a_stop_between_any_two_moves_leaves_a_whole_run_or_none(run, finished, monkeypatch, moment):
    """The moves come last; whatever they leave half done has no record, and so is no run."""
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    tables = {name: getattr(finished, name) for name in TABLES} | {"decisions": finished.decisions[:0]}
    replace, moved = Path.replace, []

    def stopped(self, target):
        if self.parent != run.folder and Path(target).parent == run.folder:
            if len(moved) == moment:
                raise KeyboardInterrupt
            moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    if moment > len(TABLES) + 1:
        write_run(run.folder, tables, said)
    else:
        with pytest.raises(KeyboardInterrupt):
            write_run(run.folder, tables, said)
    monkeypatch.undo()
    if moment <= len(TABLES) + 1:
        with pytest.raises(DataError, match="is no finished run"):
            load_run(run.folder)
        write_run(run.folder, tables, said)
    assert load_run(run.folder).decisions.equals(tables["decisions"])
