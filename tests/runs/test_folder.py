"""A run folder is a whole run or none, and knows when it was touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.errors import DataError, StoreError
from asdcore.runs.folder import (
    PORTFOLIO_FILE,
    RUN_FILE,
    SCHEMA,
    TABLES,
    VOLATILE,
    load_run,
)
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed


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


BRANCH = {kind: {"name": "x"} for kind in ("encoder", "scorer", "normalizer")}


HELD = {"machine": "fan", "section": "00", "by": "clip", "branches": {}, "domains": {}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": SCHEMA - 1}, f"its schema is {SCHEMA - 1}, this asdcore reads {SCHEMA}"),
        ({"schema": None}, "its schema is None"),
        ({"tables": {}}, "tables names "),
        ({"tables": []}, r"tables is \[\]"),
        ({"portfolio": "p"}, "portfolio is 'p'"),
        ({"store": 5}, "store is 5"),
        ({"store": ""}, "store is ''"),
        ({"data": "a\0b"}, "data is "),
        ({"year": "2026"}, "year is '2026'"),
        ({"year": True}, "year is True"),
        ({"year": 2026.5}, "year is 2026.5"),
        ({"task": None}, "task is None"),
        ({"portfolio": {}}, "it lacks portfolio.name"),
        ({"portfolio": {"name": "p", "branches": {"b": 1}, "systems": {"S": {}}}}, "portfolio.branches.b is 1"),
        ({"portfolio": {"name": "p", "branches": {"b": BRANCH}, "systems": []}}, r"portfolio.systems is \[\]"),
        ({"portfolio": {"name": "p", "branches": {"b": BRANCH}, "systems": {"S": {}}}}, "this portfolio cannot be run"),
        (
            {"portfolio": {"name": "p", "branches": {"b": BRANCH | {"encoder": "logmel"}}, "systems": {"S": {}}}},
            "portfolio.branches.b.encoder is 'logmel'",
        ),
        ({"portfolio_digest": 5}, "portfolio_digest is 5"),
        ({"tables": dict.fromkeys(TABLES, 5)}, "tables.clips is 5"),
        ({"tables": dict.fromkeys(TABLES, "abc")}, "tables.clips is 'abc'"),
        ({"features": {}}, "features names "),
        ({"features": ["b"]}, r"features is \['b'\]"),
        ({"plugins": {}}, "plugins is {}"),
        ({"plugins": [{}]}, "it lacks plugins.0.kind"),
        ({"libraries": None}, "libraries is None"),
        ({"libraries": {"numpy": 2}}, "libraries.numpy is 2"),
        ({"seconds": {"fuse": "1"}}, "seconds.fuse is '1'"),
        ({"seconds": {"fuse": float("nan")}}, "it holds NaN"),
        ({"notes": "none"}, "notes is 'none'"),
        ({"manifest": None}, "manifest is None"),
        ({"manifest": {"sha256": "0" * 64}}, "it lacks manifest.name"),
        ({"manifest": {"name": "m", "sha256": 5}}, "manifest.sha256 is 5"),
        ({"device": ["cpu"]}, r"device is \['cpu'\]"),
        ({"code_sha256": None}, "code_sha256 is None"),
        ({"inputs": "x"}, "inputs is 'x'"),
        ({"out_of_fold": [HELD | {"by": None}]}, "out_of_fold.0.by is None"),
        (
            {"out_of_fold": [HELD | {"domains": {"source": {"clips": 5}}}]},
            "it lacks out_of_fold.0.domains.source.",
        ),
        (
            {"out_of_fold": [HELD | {"domains": {"source": {"clips": "5", "groups": 5}}}]},
            "out_of_fold.0.domains.source.c",
        ),
        ({"more": 2**60}, "JSON cannot hold the number"),
    ],
)
def test_a_record_that_no_run_writes_is_refused(run, changed, said):
    resealed(run.folder / RUN_FILE, **changed)
    with pytest.raises(StoreError, match=rf"run.json cannot be read \({said}"):
        load_run(run.folder)


@pytest.mark.parametrize("content", [b"", b"5", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"schema": 2}'])
def test_what_is_not_a_record_is_refused(run, content):
    (run.folder / RUN_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"run.json cannot be read"):
        load_run(run.folder)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_refused_and_holds_nobody_up(run, make):
    (run.folder / RUN_FILE).unlink()
    make(run.folder / RUN_FILE)
    with pytest.raises(StoreError, match="it is not a regular file"):
        load_run(run.folder)


def test_a_folder_without_a_record_is_no_run(run, tmp_path):
    (run.folder / RUN_FILE).unlink()
    for folder in (run.folder, tmp_path / "nowhere", run.folder / PORTFOLIO_FILE):
        with pytest.raises(DataError, match=r"is not a finished run: it has no run.json.*asdcore run PORTFOLIO"):
            load_run(folder)


def test_a_table_that_the_record_does_not_name_is_refused(run):
    path = run.folder / "decisions.parquet"
    frame = run.decisions.with_columns(decision=pl.lit(0, pl.Int8))
    assert not frame.equals(run.decisions)
    frame.write_parquet(path)
    with pytest.raises(StoreError, match="decisions.parquet has changed since it was written"):
        _ = load_run(run.folder).decisions


@pytest.mark.parametrize("key", ["libraries", "features", "code_sha256", "plugins", "device"])
def test_what_a_record_leaves_out_is_said_when_it_is_needed(run, key, tmp_path):
    about = {name: value for name, value in json.loads((run.folder / RUN_FILE).read_text()).items() if name != key}
    (run.folder / RUN_FILE).write_bytes(seal(json.dumps(about | {FIELD: unsealed()}).encode()))
    assert len(load_run(run.folder).systems)
    with pytest.raises(StoreError, match=f"record lacks {key}. Run the portfolio again"):
        asdcore.freeze(run.folder, tmp_path / "m.json")
