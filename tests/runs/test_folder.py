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
    EVALUATION_FILE,
    PORTFOLIO_FILE,
    REPORT_FILE,
    RUN_FILE,
    SCHEMA,
    TABLES,
    VOLATILE,
    check_out,
    load_run,
    write_run,
)
from asdcore.store.own_files import JOURNAL
from asdcore.store.sealed_json import FIELD, is_sealed, seal, unsealed


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


def rewritten(run, finished, **more):
    """Write another run into the run's folder: one without decisions."""
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    tables = {name: getattr(finished, name) for name in TABLES}
    return write_run(run.folder, tables | {"decisions": finished.decisions[:0]}, said, **more)


def held(folder):
    """Return {path: bytes, or where a link leads} of everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


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


@pytest.mark.parametrize("key", ["libraries", "features", "code_sha256", "plugins", "device"])
def test_what_a_record_leaves_out_is_said_when_it_is_needed(run, key, tmp_path):
    about = {name: value for name, value in json.loads((run.folder / RUN_FILE).read_text()).items() if name != key}
    (run.folder / RUN_FILE).write_bytes(seal(json.dumps(about | {FIELD: unsealed()}).encode()))
    assert len(load_run(run.folder).systems)
    with pytest.raises(StoreError, match=f"record lacks {key}. Run the portfolio again"):
        asdcore.freeze(run.folder, tmp_path / "m.json")
