"""What a monitor listens to: files, folders that fill, pipes; and what may be wrong with them."""

from __future__ import annotations

import io
import os
import shutil

import numpy as np
import pytest

from asdcore.errors import DataError
from asdcore.monitor.sources import File, Folder, Pipe, Recording, Trouble, stamp_of


def aged(path, seconds):
    """Let a file have been changed some seconds ago."""
    stat = path.stat()
    os.utime(path, (stat.st_atime, stat.st_mtime - seconds))
    return path


def sound_of(recording, start=0):
    return np.concatenate(list(recording.blocks(start)), axis=1)


def test_a_file_is_given_from_any_sample(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1, 0.2])
    (given,) = File(path).recordings({})
    whole = sound_of(given)
    assert whole.shape == (1, 4000)
    np.testing.assert_array_equal(sound_of(given, 1234), whole[:, 1234:])
    assert list(File(path).recordings({"a.wav": stamp_of(path)})) == []


def test_a_folder_gives_recordings_in_the_order_of_their_change_and_below_folders_too(tmp_path, recording):
    for i, name in enumerate(("c.wav", "day 2/a.wav", "b.wav")):
        aged(recording(tmp_path / name, [0.1]), 100 - i)
    recording(tmp_path / ".hidden.wav", [0.1])
    given = list(Folder(tmp_path, once=True).recordings({"b.wav": stamp_of(tmp_path / "b.wav")}))
    assert [one.name for one in given] == ["c.wav", "day 2/a.wav"]
    assert [one.waiting for one in given] == [1, 0]


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1])
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        aged(path, 10)

    (given,) = Folder(tmp_path, once=True, sleep=sleep).recordings({})
    assert (given.name, len(slept)) == ("a.wav", 1)


def test_a_file_that_stays_cut_short_is_passed_over_and_the_next_is_heard(tmp_path, recording):
    broken = recording(tmp_path / "a.wav", [0.1])
    broken.write_bytes(broken.read_bytes()[:-100])
    aged(broken, 100)
    aged(recording(tmp_path / "b.wav", [0.1]), 50)
    trouble, given = Folder(tmp_path, once=True).recordings({})
    assert isinstance(trouble, Trouble)
    assert trouble.passed_over == "a.wav"
    assert "cut short" in trouble.text
    assert given.name == "b.wav"


def test_a_clock_that_jumped_does_not_stop_the_monitor(tmp_path, recording):
    aged(recording(tmp_path / "a.wav", [0.1]), -86400)
    assert [one.name for one in Folder(tmp_path, once=True).recordings({})] == ["a.wav"]


def test_a_folder_may_vanish_and_come_back(tmp_path, recording):
    folder = tmp_path / "in"

    def sleep(_):
        if not folder.exists():
            aged(recording(folder / "a.wav", [0.1]), 10)

    trouble, given = Folder(folder, once=True, sleep=sleep).recordings({})
    assert "waiting for it to come back" in trouble.text
    assert given.name == "a.wav"


def test_a_file_that_was_replaced_is_given_again(tmp_path, recording):
    path = aged(recording(tmp_path / "a.wav", [0.1]), 100)
    done = {"a.wav": stamp_of(path)}
    assert list(Folder(tmp_path, once=True).recordings(done)) == []
    aged(recording(path, [0.2, 0.1]), 50)
    for source in (Folder(tmp_path, once=True), File(path)):
        (given,) = source.recordings(done)
        assert (given.name, given.stamp) == ("a.wav", stamp_of(path))


def test_a_file_that_changes_while_it_is_heard_is_told(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1])
    (given,) = File(path).recordings({})
    shutil.copy(recording(tmp_path / "b.wav", [0.2]), path)
    with pytest.raises(DataError, match="changed while it was heard"):
        sound_of(given)


def test_a_pipe_gives_samples_of_all_channels_and_keeps_halves_for_later():
    samples = np.arange(-300, 300, dtype="<i2")

    class Dribble(io.BytesIO):
        def read1(self, size=-1):
            return super().read(7)

    (given,) = Pipe(Dribble(samples.tobytes()), 100, 2).recordings({})
    assert isinstance(given, Recording)
    sound = sound_of(given)
    np.testing.assert_array_equal(sound, samples.reshape(-1, 2).T.astype(np.float32) / 32768)
