"""The tables of a run in portions of clips: nothing is lost, and rows of one clip stay together."""

from __future__ import annotations

import os

import polars as pl
import pytest

from asdcore.errors import StoreError
from asdcore.runs.folder import TABLES, Run, load_run
from asdcore.runs.portions import TablePortions
from asdcore.store import ordered_tables
from asdcore.store.tables import CELL, write_table

OTHERS = ("scores", "calibrated", "systems", "decisions")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(ordered_tables, "PORTION", 7)


@pytest.fixture
def tables(run):
    return TablePortions(load_run(run.folder))


def held(run):
    """The same run, its tables in memory, in another order."""
    return Run.held(
        run.folder, run.about, {name: getattr(run, name).sample(fraction=1, shuffle=True) for name in TABLES}
    )


def test_digests_and_rows_are_those_of_the_whole_tables(tables):
    whole = load_run(tables.run.folder)
    for name in TABLES:
        assert tables.digest(name) == whole.about["tables"][name]
        portions = list(tables.portions(name))
        assert len(portions) > 1
        assert pl.concat(portions).equals(getattr(whole, name))
    assert not vars(tables.run).keys() & TABLES.keys(), "nothing was read whole"


def test_rows_beside_a_portion_are_those_of_its_clips(tables):
    whole = load_run(tables.run.folder)
    beside = list(tables.beside(*OTHERS))
    for clips, rows in beside[:-1]:
        for name in OTHERS:
            expected = getattr(whole, name).filter(pl.col("clip").is_in(clips["clip"].to_list()))
            assert rows[name].equals(expected)
    clips, rows = beside[-1]
    assert not len(clips)
    assert not any(map(len, rows.values()))


def test_rows_of_clips_that_the_index_lacks_come_last(tables):
    run = load_run(tables.run.folder)
    kept = {name: getattr(run, name) for name in TABLES}
    kept["clips"] = kept["clips"][:-1]
    *_, (clips, rows) = TablePortions(Run.held(run.folder, run.about, kept)).beside("scores")
    assert not len(clips)
    assert set(rows["scores"]["clip"]) == {run.clips["clip"][-1]}


@pytest.mark.parametrize("name", ["clips", "scores"])
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_machine_and_section_comes_whole_and_once(tables, name, in_memory):
    if in_memory:
        tables = TablePortions(held(tables.run))
    frames = list(tables.whole_cells(name))
    seen = [cell for frame in frames for cell in frame.select(CELL).unique().rows()]
    assert sorted(seen) == sorted(set(seen)) == sorted(tables.clips_of_cell)
    whole = getattr(tables.run, name)
    assert pl.concat(frames).sort(TABLES[name].key).equals(whole.sort(TABLES[name].key))
    assert tables.n_clips == len(tables.run.clips)


def test_tables_in_memory_are_taken_from_there_and_sorted(tables):
    run = held(tables.run)
    again = TablePortions(run)
    for name in TABLES:
        assert again.digest(name) == run.about["tables"][name]
        assert pl.concat(again.portions(name)).equals(getattr(tables.run, name))


def test_a_table_that_is_written_meanwhile_is_noticed(tables):
    path = tables.run.path_of("scores")
    portions = tables.portions("scores")
    next(portions)
    os.utime(path, ns=(0, 0))
    with pytest.raises(StoreError, match=r"scores.parquet was written while it was read. Give the command again"):
        list(portions)
    with pytest.raises(StoreError, match="was written while it was read"):
        tables.digest("scores")


def test_a_table_of_another_run_is_refused(tables):
    path = tables.run.path_of("decisions")
    ordinary = pl.read_parquet(path)[1:]
    write_table(TABLES["decisions"], ordinary, path)
    with pytest.raises(StoreError, match=r"decisions.parquet is not the table that run.json names"):
        tables.digest("decisions")
