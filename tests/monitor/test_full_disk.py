"""A monitor whose log lies on a disk that is full waits for room, and then hears what a monitor with room has heard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from asdcore.errors import StoreError
from asdcore.monitor import checkpoint
from asdcore.monitor.sources import Folder

ROOM = 64 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 64 KiB."""
    place, mount = tmp_path / "disk", shutil.which("mount")
    place.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(place)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this process may not mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def incoming(tmp_path, recording):
    """A folder that is watched until the monitor has nothing more to hear."""
    for i in range(4):
        path = recording(tmp_path / "in" / f"{i}.wav", [0.1 + i / 1e3, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1] * 2)
        os.utime(path, (i, i))
    return Folder(tmp_path / "in", once=True, settle=0)


def fill(place):
    """Take all room of a disk; returns the file to remove."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(256))
    return filler


def heard(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_monitor_waits_for_room_and_hears_all_that_it_would_have_heard(
    small_disk, tmp_path, incoming, start, monkeypatch
):
    monkeypatch.setattr(checkpoint, "EVERY", 500)  # for which there is no room either
    with_room = start(tmp_path / "log")
    events = list(with_room.listen(incoming))
    with_room.journal.close()
    told = []

    def wait(problem):
        told.append(problem)
        if len(told) == 3:
            filler.unlink()

    monitor = start(small_disk / "log", wait=wait)
    filler = fill(small_disk)
    assert list(monitor.listen(incoming)) == events
    monitor.journal.close()
    assert "the disk is full" in told[0]
    assert told[1:] == ["", ""]
    assert heard(small_disk / "log") == heard(tmp_path / "log")


def test_without_a_way_to_wait_a_full_disk_ends_it_and_the_same_command_goes_on(small_disk, tmp_path, incoming, start):
    with_room = start(tmp_path / "log")
    events = list(with_room.listen(incoming))
    with_room.journal.close()
    first = start(small_disk / "log")
    filler = fill(small_disk)
    told = []
    with pytest.raises(StoreError, match=r"the disk is full\. Free some space, or choose another file with --log"):
        told.extend(first.listen(incoming))
    first.journal.close()
    filler.unlink()
    again = start(small_disk / "log")
    assert [*told, *again.listen(incoming)] == events
    again.journal.close()
    assert heard(small_disk / "log") == heard(tmp_path / "log")
