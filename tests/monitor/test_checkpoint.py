"""A monitor that goes on from a checkpoint knows what its log says; a checkpoint that does not fit is as none."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace

import numpy as np
import pytest

from asdcore.errors import DataError, StoreError
from asdcore.monitor import checkpoint
from asdcore.monitor.journal import Journal
from asdcore.monitor.sources import File
from tests.monitor.conftest import SETTINGS

PEAKS = [*[0.1, 0.12, 0.11, 0.13] * 12, *[0.9] * 4, *[0.2] * 6, *[0.9] * 2]


def known(monitor):
    """Everything that a monitor knows, as text."""
    monitor.journal.close()
    return json.dumps(monitor.past.state(), default=lambda array: array.tolist(), sort_keys=True)


def listened(monitor, source):
    events = list(monitor.listen(source))
    return events, known(monitor)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 1)
    monkeypatch.setattr(checkpoint, "LARGE", 1_000_000)


@pytest.fixture
def read(monkeypatch):
    """The numbers of the lines that monitors read."""
    numbers, read_line = [], Journal._read

    def counted(journal, line, number):
        numbers.append(number)
        return read_line(journal, line, number)

    monkeypatch.setattr(Journal, "_read", counted)
    return numbers


@pytest.fixture
def heard(tmp_path, recording, start, often):
    """A log of all windows, its checkpoint, and what follows from it."""
    path = recording(tmp_path / "night.wav", PEAKS)
    _, state = listened(start(tmp_path / "log"), File(path))
    return tmp_path / "log", tmp_path / "log.checkpoint", state


def test_what_is_known_is_the_same_with_a_checkpoint_of_any_age_and_without_one(heard, start, read):
    log, kept, _ = heard
    whole = log.read_bytes().splitlines(keepends=True)
    rng = random.Random(0)
    for _ in range(12):
        kept.unlink(missing_ok=True)
        older, newer = sorted(rng.sample(range(1, len(whole) + 1), 2))
        log.write_bytes(b"".join(whole[:newer]))
        without = known(start(log))
        kept.unlink()
        log.write_bytes(b"".join(whole[:older]))
        known(start(log))  # writes one
        log.write_bytes(b"".join(whole[:newer]))
        read.clear()
        assert known(start(log)) == without
        assert read == list(range(older + 1, newer + 1))


def test_events_after_a_checkpoint_are_those_of_a_monitor_that_never_stopped(tmp_path, heard, start):
    log, kept, state = heard
    whole = log.read_bytes().splitlines(keepends=True)
    for lines in (2, 31, 50, 53, 58, 62):
        log.write_bytes(b"".join(whole[:lines]))
        kept.unlink()
        known(start(log))
        _, after = listened(start(log), File(tmp_path / "night.wav"))
        assert after == state
        assert log.read_bytes() == b"".join(whole)


def as_array():
    """The bytes of an array, which NumPy loads, and is no checkpoint."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log, kept: kept.write_bytes(b""),
        lambda log, kept: kept.write_bytes(b"my notes"),
        lambda log, kept: kept.write_bytes(kept.read_bytes()[:-40]),
        lambda log, kept: kept.write_bytes(as_array()),
        lambda log, kept: (kept.unlink(), kept.mkdir()),
        lambda log, kept: log.write_bytes(log.read_bytes().replace(b'"level":', b'"level": ', 1)),
        lambda log, kept: log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-3])),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_log_is_as_none(heard, start, read, spoil):
    log, kept, _ = heard
    spoil(log, kept)
    read.clear()
    known(start(log))
    assert read == list(range(1, 1 + len(log.read_bytes().splitlines())))


def test_a_checkpoint_with_any_byte_changed_is_as_none_or_the_same(heard, start):
    log, kept, state = heard
    content = kept.read_bytes()
    for at in random.Random(0).sample(range(len(content)), 150):
        kept.write_bytes(content[:at] + bytes([content[at] ^ 0x21]) + content[at + 1 :])
        assert known(start(log)) == state, at


def test_other_train_normals_or_other_code_make_a_checkpoint_nothing(heard, start, read, monkeypatch):
    log, _, _ = heard
    read.clear()
    known(start(log))
    assert read == []
    known(start(log, settings=replace(SETTINGS, normals=SETTINGS.normals + 1)))
    assert read[0] == 1
    read.clear()
    monkeypatch.setattr(checkpoint, "_made_by", lambda settings: "an update")
    known(start(log))
    assert read[0] == 1


def test_a_damaged_line_behind_a_checkpoint_is_told_with_its_number(heard, start):
    log, _, _ = heard
    lines = log.read_bytes().count(b"\n")
    with log.open("ab") as file:
        file.write(b"[1]\n")
    with pytest.raises(DataError, match=f"log, line {lines + 1}: "):
        start(log)


@pytest.mark.parametrize("error", [StoreError("the disk is full"), OSError(28, "No space left on device")])
def test_a_disk_without_room_for_a_checkpoint_stops_nothing(tmp_path, recording, start, often, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(np, "savez", full)
    listened(start(tmp_path / "log"), File(recording(tmp_path / "night.wav", PEAKS)))
    assert (tmp_path / "log").read_bytes().count(b'"kind":"window"') == len(PEAKS)
    assert not [path for path in tmp_path.iterdir() if "checkpoint" in path.name or "writing" in path.name]


def test_checkpoints_are_as_rare_as_they_are_large(tmp_path, recording, start, monkeypatch):
    written, write = [], checkpoint.Checkpoints.write
    monkeypatch.setattr(checkpoint, "EVERY", 300)
    monkeypatch.setattr(checkpoint, "LARGE", 1)
    monkeypatch.setattr(
        checkpoint.Checkpoints, "write", lambda self, past: (written.append(self._journal.size), write(self, past))
    )
    listened(start(tmp_path / "log"), File(recording(tmp_path / "night.wav", PEAKS)))
    size = (tmp_path / "log.checkpoint").stat().st_size
    assert 2 <= len(written) <= 2 + (tmp_path / "log").stat().st_size // (size / 2)
