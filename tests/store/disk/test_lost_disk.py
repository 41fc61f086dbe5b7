"""A disk that has gone is told from a damaged file: nobody is told to remove what is there again when the disk is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asdcore.cli import main
from asdcore.data.recordings.audio import inspect_audio
from asdcore.errors import LostDiskError
from asdcore.store.cache import FeatureSet
from asdcore.store.disk import file_locks
from asdcore.store.disk.atomic import write_bytes
from asdcore.store.disk.file_locks import take
from asdcore.store.disk.lost_disk import is_lost
from asdcore.store.fitted_state import read_state
from asdcore.store.shards import even_shards, shard_names
from asdcore.store.tables import read_parquet

MESSAGE = r"^The disk of .* does not answer \(.*\)\. Mount it again.*: what was finished is kept\.$"


def gone(path=None):
    return OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), path)


def failing(*_, **__):
    raise gone()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (gone(), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ETIMEDOUT, "timed out", "a.wav"), True),
        (OSError(errno.ETIMEDOUT, "a download timed out"), False),
        (pl.exceptions.ComputeError(f"Stale file handle (os error {errno.ESTALE})"), True),
        (pl.exceptions.ComputeError("No such file or directory (os error 2)"), False),
        (LostDiskError("The disk of x does not answer."), True),
        (PermissionError(errno.EACCES, "no"), False),
        (ValueError("os error"), False),
    ],
)
def test_what_a_disk_that_has_gone_reports_is_known(error, lost):
    assert is_lost(error) is lost


def features(folder):
    feature_set = FeatureSet(folder)
    feature_set.write(["a"], [np.ones(3, np.float32)])
    shard_names.forget(folder)
    return feature_set


def test_features_on_a_lost_disk_are_not_called_damaged(tmp_path, monkeypatch):
    feature_set = features(tmp_path / "set")
    monkeypatch.setattr(shard_names, "arrow_table", failing)
    with pytest.raises(LostDiskError, match=MESSAGE):
        FeatureSet(feature_set.folder).held()


@pytest.mark.parametrize("call", ["listdir", "stat"])
def test_a_folder_on_a_lost_disk_is_not_taken_for_empty(tmp_path, monkeypatch, call):
    feature_set = features(tmp_path / "set")
    monkeypatch.setattr(os if call == "listdir" else Path, call, failing)
    with pytest.raises(LostDiskError, match=MESSAGE):
        shard_names.shards_of_clips(feature_set.folder)


def test_tables_states_and_recordings_on_a_lost_disk_are_not_called_damaged(tmp_path, monkeypatch):
    features(tmp_path / "set")
    (shard,) = (tmp_path / "set").glob("*.parquet")
    (state := tmp_path / "state").write_bytes(b"x")
    (wav := tmp_path / "a.wav").write_bytes(b"RIFF")
    monkeypatch.setattr(Path, "read_bytes", failing)
    monkeypatch.setattr(even_shards, "arrow_table", failing)
    for read in (lambda: read_parquet(shard, "Remove it."), lambda: read_state(state), lambda: inspect_audio(wav)):
        with pytest.raises(LostDiskError, match=MESSAGE):
            read()


def test_writing_to_a_lost_disk_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(LostDiskError, match=MESSAGE):
        write_bytes(tmp_path / "x", b"x")


def test_a_lock_that_cannot_be_closed_does_not_hide_what_went_wrong(tmp_path, monkeypatch):
    lock = take(tmp_path / "lock")
    monkeypatch.setattr(file_locks.os, "close", failing)
    lock.release()
    monkeypatch.undo()
    os.close(lock.descriptor)


@pytest.mark.parametrize(("path", "said"), [("/net/a.wav", "The disk of /net/a.wav"), (None, "A disk")])
def test_the_command_line_says_what_to_do(monkeypatch, capsys, path, said):
    def refuse(*_, **__):
        error = gone(path)
        error.add_note("on worker tcp://w:1 of node7")
        raise error

    monkeypatch.setattr("asdcore.cli.check_folder", refuse)
    monkeypatch.setattr("sys.argv", ["asdcore", "plugins"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"Error: {said} does not answer (Transport endpoint is not connected). Mount it again")
    assert "on worker tcp://w:1 of node7" in told
