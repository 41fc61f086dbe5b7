"""What another machine has just written is found, and what it has just replaced is read anew."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asdcore.basics import table_files
from asdcore.errors import StoreError
from asdcore.store.cache import FeatureSet
from asdcore.store.disk import shared_disk
from asdcore.store.disk.shared_disk import PATIENCE, appears, unstale
from asdcore.store.fitted_state import read_state, write_state
from asdcore.store.shards.shard_names import forget
from asdcore.store.tables import read_parquet


@pytest.fixture
def patient():
    token = PATIENCE.set(20.0)
    yield
    PATIENCE.reset(token)


def later(what, *arguments):
    threading.Timer(0.3, what, arguments).start()


def test_a_file_that_is_seen_late_is_waited_for(tmp_path, patient):
    later((tmp_path / "x").write_text, "")
    assert appears(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_without_other_machines_nothing_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    assert not appears(tmp_path / "x")


def test_features_that_another_machine_has_just_written_are_loaded(tmp_path, patient):
    mine, theirs = FeatureSet(tmp_path / "set"), FeatureSet(tmp_path / "set")
    mine.folder.mkdir()
    assert mine.missing(["a"]) == ["a"]
    later(theirs.write, ["a"], [np.ones(3, np.float32)])
    assert mine.load(["a"]).tolist() == [[1.0, 1.0, 1.0]]


STALE = [
    OSError(errno.ESTALE, os.strerror(errno.ESTALE)),
    pl.exceptions.ComputeError(f"Stale file handle (os error {errno.ESTALE})"),
]


@pytest.mark.parametrize("error", STALE)
def test_a_file_that_was_replaced_while_it_was_read_is_read_again(tmp_path, monkeypatch, error):
    (tmp_path / "x").touch()
    frame = pl.DataFrame({"a": [1]})
    answers = [error, error, frame]

    def read(*_, **__):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(table_files, "read_parquet", read)
    assert read_parquet(tmp_path / "x", "").equals(frame)


@pytest.mark.parametrize("error", STALE)
def test_what_stays_stale_is_an_error(tmp_path, monkeypatch, error):
    monkeypatch.setattr(shared_disk, "SETTLES", 0.1)
    (tmp_path / "x").touch()

    def read(*_, **__):
        raise error

    monkeypatch.setattr(table_files, "read_parquet", read)
    with pytest.raises(StoreError, match=r"does not answer \(Stale file handle\)\. Mount it again"):
        read_parquet(tmp_path / "x", "Remove it.")


def test_another_error_is_not_tried_again():
    tries = []

    def read():
        tries.append(1)
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        unstale(read, Path("x"))
    assert len(tries) == 1


def absent():
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


@pytest.mark.parametrize("look", ["stat", "open", "read_bytes"])
def test_a_file_that_is_missing_for_a_moment_while_it_is_replaced_is_read(tmp_path, monkeypatch, look):
    features, state = FeatureSet(tmp_path / "set"), tmp_path / "state"
    features.write(["a"], [np.ones(3, np.float32)])
    write_state(state, {"mean": np.ones(2)}, {})
    (shard,) = features.folder.iterdir()
    for read in (lambda: len(read_parquet(shard, "")), lambda: read_state(state).state["mean"].size, features.held):
        once, of_path = [absent(), absent()], getattr(Path, look)

        def late(path, *arguments, of_path=of_path, once=once, **options):
            if path in (shard, state) and once:
                raise once.pop()
            return of_path(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, look, late)
            assert read()
        forget(features.folder)


def test_a_file_that_is_not_there_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("x", "link", "no/folder"):
        with pytest.raises(StoreError, match="There is no"):
            read_parquet(tmp_path / name, "")
