"""The journal holds whole lines whatever happens, of one monitor with one set of settings."""

from __future__ import annotations

import errno
import os
import re

import pytest

from asdcore.errors import DataError, StoreError
from asdcore.monitor.journal import NOTE, Journal

SETTINGS = {"detector": "d", "seconds": 1.5, "machine": "Pumpe Süd"}


def test_lines_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "a" / "log.jsonl", SETTINGS)
    for n in range(3):
        journal.write(NOTE, {"n": n})
    journal.close()
    again = Journal(tmp_path / "a" / "log.jsonl", SETTINGS)
    assert [line.get("n") for line in again.lines()] == [None, 0, 1, 2]
    again.close()


def test_a_line_that_was_cut_short_at_any_byte_is_removed(tmp_path):
    path = tmp_path / "log.jsonl"
    journal = Journal(path, SETTINGS)
    journal.write(NOTE, {"n": 0})
    journal.write(NOTE, {"n": 1})
    journal.close()
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        journal = Journal(path, SETTINGS)
        whole = max(1, content[:size].count(b"\n"))
        assert len(list(journal.lines())) == whole
        journal.write(NOTE, {"n": "next"})
        assert (
            path.read_bytes() == b"".join(content.splitlines(keepends=True)[:whole]) + b'{"kind":"note","n":"next"}\n'
        )
        journal.close()


def test_two_monitors_do_not_write_one_journal(tmp_path):
    journal = Journal(tmp_path / "log", SETTINGS)
    with pytest.raises(StoreError, match="Another monitor is writing"):
        Journal(tmp_path / "log", SETTINGS)
    journal.close()
    Journal(tmp_path / "log", SETTINGS).close()


def test_other_settings_and_other_files_are_refused(tmp_path):
    Journal(tmp_path / "log", SETTINGS).close()
    with pytest.raises(DataError, match=r"seconds 1.5, now 2"):
        Journal(tmp_path / "log", {**SETTINGS, "seconds": 2})
    for content in ("my notes\n", '{"kind":"other"}\n', "[1]\n", "half a line"):
        (tmp_path / "mine").write_text(content)
        with pytest.raises(DataError, match="was not written by a monitor"):
            Journal(tmp_path / "mine", SETTINGS)
        assert (tmp_path / "mine").read_text() == content


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "log", SETTINGS)
    write = os.write

    def full(descriptor, content):
        write(descriptor, content[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="the disk is full"):
        journal.write(NOTE, {"n": 0})
    monkeypatch.undo()
    journal.write(NOTE, {"n": 1})
    assert [line.get("n") for line in journal.lines()] == [None, 1]
    journal.close()


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EDQUOT])
def test_a_journal_may_wait_for_room_and_loses_no_line(tmp_path, monkeypatch, trouble):
    told = []
    journal = Journal(tmp_path / "log", SETTINGS, told.append)
    write = os.write

    def full(descriptor, content):
        if len(told) == 3:
            return write(descriptor, content)
        write(descriptor, content[:5])
        raise OSError(trouble, os.strerror(trouble))

    monkeypatch.setattr(os, "write", full)
    journal.write(NOTE, {"n": 0})
    assert re.match("Cannot write .*log: the disk (is full|quota is used up)", told[0])
    assert told[1:] == ["", ""]
    journal.write(NOTE, {"n": 1})
    assert (len(told), [line.get("n") for line in journal.lines()]) == (3, [None, 0, 1])
    journal.close()


def test_nothing_but_room_is_waited_for(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "log", SETTINGS, lambda _: pytest.fail("it waits"))

    def locked(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "write", locked)
    with pytest.raises(StoreError, match="read-only"):
        journal.write(NOTE, {"n": 0})
    monkeypatch.undo()
    journal.close()


@pytest.mark.parametrize("damaged", [b"\0\0\0\n", b"[1]\n", b'{"kind":"no\n', b"\xff\n", b"[" * 50_000 + b"\n"])
def test_a_line_that_was_damaged_later_is_told_with_its_number(tmp_path, damaged):
    journal = Journal(tmp_path / "log", SETTINGS)
    journal.write(NOTE, {"n": 0})
    journal.close()
    with (tmp_path / "log").open("ab") as file:
        file.write(damaged + b'{"kind":"note","n":1}\n')
    again = Journal(tmp_path / "log", SETTINGS)
    with pytest.raises(DataError, match=r"log, line 3: .* Remove this line"):
        list(again.lines())
    again.close()


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: path.rename(path.with_name("log.1")), "was moved or removed while the monitor ran"),
        (lambda path: path.write_bytes(b""), r"has 0 bytes, and \d+ were written while the monitor ran"),
    ],
)
def test_a_log_that_is_rotated_away_stops_the_monitor_and_goes_on_when_it_is_back(tmp_path, harm, problem):
    path = tmp_path / "log"
    journal = Journal(path, SETTINGS)
    journal.write(NOTE, {"n": 0})
    whole = path.read_bytes()
    harm(path)
    with pytest.raises(StoreError, match=problem):
        journal.write(NOTE, {"n": 1})
    journal.close()
    path.write_bytes(whole)
    again = Journal(path, SETTINGS)
    again.write(NOTE, {"n": 1})
    assert [line.get("n") for line in again.lines()] == [None, 0, 1]
    again.close()
