"""A folder is held across hosts, even where the system's locks are not shared; who is gone holds nothing."""

from __future__ import annotations

import json
import os

import pytest

from asdcore.errors import StoreError
from asdcore.store.disk import lock_holder
from asdcore.store.disk.exclusive_folder import CLAIM, claimed
from asdcore.store.disk.file_locks import Lock, take
from asdcore.store.disk.lock_holder import holder, is_ours, lives_elsewhere, written

THERE = {"asdcore": "writes here", "process": 7, "host": "node7", "since": "2026-11-30 01:00:00 UTC", "kernel": "x"}


@pytest.fixture
def lock(tmp_path):
    taken = take(tmp_path / CLAIM)
    yield taken
    taken.release()


def test_who_holds_a_file_says_so_and_goes_on_to(lock, monkeypatch):
    monkeypatch.setattr(lock_holder, "BEAT", 0.01)
    with written(lock):
        first = holder(lock.path)
        assert first["process"] == os.getpid()
        while holder(lock.path)["beat"] < 2:
            pass
    assert {**holder(lock.path), "beat": first["beat"]} == first


def test_what_another_host_still_writes_is_believed_and_what_it_left_is_not(lock):
    lock.path.write_text(json.dumps({**THERE, "beat": 0}))
    assert lives_elsewhere(lock, sleep=lambda _: None) == {}
    alive = {**THERE, "beat": 1}
    assert lives_elsewhere(lock, sleep=lambda _: lock.path.write_text(json.dumps(alive))) == alive


def test_a_lock_of_this_machine_needs_no_watching(lock):
    lock.path.write_text(json.dumps({**THERE, "kernel": lock_holder.kernel()}))
    assert lives_elsewhere(lock, sleep=lambda _: pytest.fail("watched")) == {}
    watched = []
    assert lives_elsewhere(Lock(lock.path, lock.descriptor, sure=False), sleep=watched.append) == {}
    assert len(watched) == lock_holder.WATCHED


def test_a_file_of_somebody_else_is_not_written_to(lock):
    for content in (b"mine", b"[1]", b'{"a": 1}', b"\xff\xfe"):
        lock.path.write_bytes(content)
        with written(lock):
            assert not is_ours(lock.path)
        assert lock.path.read_bytes() == content


def test_a_folder_that_another_host_writes_to_is_refused_with_its_name_and_not_disturbed(tmp_path, monkeypatch):
    beats = iter(range(1, 99))
    there = tmp_path / CLAIM
    there.write_text(json.dumps({**THERE, "beat": 0}))
    monkeypatch.setattr(
        "asdcore.store.disk.lock_holder.time.sleep",
        lambda _: there.write_text(json.dumps({**THERE, "beat": next(beats)})),
    )
    monkeypatch.setattr(lives_elsewhere, "__defaults__", (lock_holder.time.sleep,))
    told = r"Another process is writing to .*: process 7 on node7, since 2026-11-30 01:00:00 UTC. Wait until it is done"
    with pytest.raises(StoreError, match=told), claimed(tmp_path):
        pass
    assert holder(there)["host"] == "node7"


def test_a_host_that_has_gone_holds_nothing(tmp_path, monkeypatch):
    (tmp_path / CLAIM).write_text(json.dumps({**THERE, "beat": 0}))
    monkeypatch.setattr(lives_elsewhere, "__defaults__", (lambda _: None,))
    with claimed(tmp_path):
        assert holder(tmp_path / CLAIM)["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []
