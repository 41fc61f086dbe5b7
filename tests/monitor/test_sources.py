"""What a monitor listens to: files, folders that fill, pipes; and what may be wrong with them."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import time

import numpy as np
import pytest
import soundfile

from asdcore.data.recordings.audio import opened
from asdcore.errors import DataError
from asdcore.monitor import sources
from asdcore.monitor.sources import File, Folder, Pipe, Recording, Trouble, VanishedError, stamp_of


def aged(path, seconds):
    """Let a file have been changed some seconds ago."""
    stat = path.stat()
    os.utime(path, (stat.st_atime, stat.st_mtime - seconds))
    return path


def given_by(source, done=()):
    """Return what a source gives to somebody who notes what was heard."""
    heard, given = dict(done), []
    for each in source.recordings(heard):
        name = each.name if isinstance(each, Recording) else each.passed_over
        heard |= {name: each.stamp} if name else {}
        given.append(each)
    return given


def sound_of(recording, start=0):
    return np.concatenate(list(recording.blocks(start)), axis=1)


def test_a_file_is_given_from_any_sample(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1, 0.2])
    (given,) = File(path).recordings({})
    whole = sound_of(given)
    assert whole.shape == (1, 4000)
    np.testing.assert_array_equal(sound_of(given, 1234), whole[:, 1234:])
    assert list(File(path).recordings({"a.wav": stamp_of(path)})) == []


def test_a_channel_of_a_file_is_heard_alone(tmp_path):
    sound = (0.1 * np.random.default_rng(0).standard_normal((1600, 2))).astype(np.float32)
    soundfile.write(tmp_path / "two.wav", sound, 16000, subtype="FLOAT")
    (given,) = given_by(File(tmp_path / "two.wav#channel=2"))
    assert (given.channels, given.name) == (1, "two.wav#channel=2")
    np.testing.assert_array_equal(sound_of(given, 100)[0], sound[100:, 1])


def test_a_folder_gives_recordings_in_the_order_of_their_change_and_below_folders_too(tmp_path, recording):
    for i, name in enumerate(("c.wav", "day 2/a.wav", "b.wav")):
        aged(recording(tmp_path / name, [0.1]), 100 - i)
    recording(tmp_path / ".hidden.wav", [0.1])
    given = given_by(Folder(tmp_path, once=True), {"b.wav": stamp_of(tmp_path / "b.wav")})
    assert [one.name for one in given] == ["c.wav", "day 2/a.wav"]
    assert [one.waiting for one in given] == [1, 0]


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1])
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        aged(path, 10)

    (given,) = given_by(Folder(tmp_path, once=True, sleep=sleep))
    assert (given.name, len(slept)) == ("a.wav", 1)


def test_a_file_that_stays_cut_short_is_passed_over_and_the_next_is_heard(tmp_path, recording):
    broken = recording(tmp_path / "a.wav", [0.1])
    broken.write_bytes(broken.read_bytes()[:-100])
    aged(broken, 100)
    aged(recording(tmp_path / "b.wav", [0.1]), 50)
    trouble, given = given_by(Folder(tmp_path, once=True))
    assert isinstance(trouble, Trouble)
    assert trouble.passed_over == "a.wav"
    assert "cut short" in trouble.text
    assert given.name == "b.wav"


def test_a_file_of_a_clock_that_jumped_is_heard_when_it_has_been_still_by_our_own(tmp_path, recording):
    path = aged(recording(tmp_path / "a.wav", [0.1]), -86400)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) < 3:  # it is still being written
            recording(path, [0.1] * (1 + len(slept)))
            aged(path, -86400)
        time.sleep(0.15 * (len(slept) == 4))

    (given,) = given_by(Folder(tmp_path, once=True, settle=0.1, sleep=sleep))
    assert (sound_of(given).shape[1], len(slept)) == (3 * 2000, 4)


@pytest.mark.parametrize("jump", [-7200.0, -3600.0, 3600.0, 7200.0])
def test_a_clock_that_jumps_makes_no_file_look_still(tmp_path, recording, monkeypatch, jump):
    clock, given = time.time, []

    def stop(_):
        raise KeyboardInterrupt

    folder = Folder(tmp_path, settle=1800.0, sleep=stop)
    aged(recording(tmp_path / "new.wav", [0.1]), 60)
    aged(recording(tmp_path / "old.wav", [0.2]), 14400)
    monkeypatch.setattr(time, "time", lambda: clock() + jump)
    with pytest.raises(KeyboardInterrupt):
        given.extend(folder.recordings({}))
    assert [each.name for each in given] == ["old.wav"]


def test_a_backlog_waits_if_its_folder_vanishes(tmp_path, recording):
    folder, away = tmp_path / "in", tmp_path / "away"
    for i in range(3):
        aged(recording(folder / f"{i}.wav", [0.1 * (1 + i)]), 1000 - i)
    heard, names = {}, []

    def sleep(_):
        if away.exists():
            away.rename(folder)

    for given in Folder(folder, once=True, sleep=sleep).recordings(heard):
        if isinstance(given, Recording):
            names.append(given.name)
            heard[given.name] = given.stamp
            if given.name == "0.wav":
                folder.rename(away)
        else:
            assert given.passed_over is None
    assert names == ["0.wav", "1.wav", "2.wav"]


def test_a_file_that_its_disk_does_not_give_is_told_once_and_tried_again(tmp_path, recording, monkeypatch):
    aged(recording(tmp_path / "a.wav", [0.1]), 100)
    works = False

    def is_readable(path):
        return works

    def opened_or_not(path):
        if not works:
            raise DataError("a.wav: cannot be read (Input/output error)")
        return opened(path)

    def sleep(_):
        nonlocal works
        works = next(tries, None) is None

    tries = iter(range(3))
    monkeypatch.setattr(sources, "_is_readable", is_readable)
    monkeypatch.setattr(sources, "opened", opened_or_not)
    trouble, given = itertools.islice(Folder(tmp_path, sleep=sleep).recordings({}), 2)
    assert trouble.text == "a.wav: cannot be read (Input/output error); it is tried again"
    assert given.name == "a.wav"


def test_what_is_named_as_sound_and_is_none_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("nowhere")
    (tmp_path / "c.wav").mkdir()
    (tmp_path / "d.wav").write_bytes(b"")
    (tmp_path / "e.wav").write_text("no sound")
    given = given_by(Folder(tmp_path, once=True, settle=0))
    assert [trouble.passed_over for trouble in given] == ["a.wav", "d.wav", "e.wav"]


def test_samples_that_end_too_early_are_no_end_of_a_recording(tmp_path, recording):
    class Failing:
        """A sound file on a disk that fails, as libsndfile shows it."""

        def seek(self, start):
            pass

        def read(self, *_, **__):
            return np.zeros((0, 1), np.float32)

    with pytest.raises(DataError, match="its samples end at 10 of 4000"):
        list(sources._read(Failing(), 10, 4000, 100))


def test_a_file_that_vanishes_before_it_is_heard_may_come_back(tmp_path, recording):
    path = recording(tmp_path / "a.wav", [0.1])
    (given,) = File(path).recordings({})
    path.unlink()
    with pytest.raises(VanishedError, match=r"a\.wav cannot be read any more"):
        list(given.blocks(0))


def test_a_folder_may_vanish_and_come_back(tmp_path, recording):
    folder = tmp_path / "in"

    def sleep(_):
        if not folder.exists():
            aged(recording(folder / "a.wav", [0.1]), 10)

    trouble, given = given_by(Folder(folder, once=True, sleep=sleep))
    assert "waiting for it to come back" in trouble.text
    assert given.name == "a.wav"


def test_a_file_that_was_replaced_is_given_again(tmp_path, recording):
    path = aged(recording(tmp_path / "a.wav", [0.1]), 100)
    done = {"a.wav": stamp_of(path)}
    assert list(Folder(tmp_path, once=True).recordings(done)) == []
    aged(recording(path, [0.2, 0.1]), 50)
    for source in (Folder(tmp_path, once=True), File(path)):
        (given,) = given_by(source, done)
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


def test_sound_that_is_not_read_is_told_once(tmp_path, recording):
    for name in ("a.mp3", "b.MP3", "c.csv", "notes.txt", ".hidden.mp3"):
        (tmp_path / name).write_bytes(b"x")
    aged(recording(tmp_path / "a.wav", [0.1]), 60)
    source = Folder(tmp_path, once=True)
    first, second, heard = sorted(given_by(source), key=lambda given: getattr(given, "text", "~"))
    assert first.text.startswith(("a.mp3: files that end in .mp3 are not heard", "b.MP3: files that end in .mp3"))
    assert second.text.startswith("c.csv: files that end in .csv are not heard")
    assert heard.name == "a.wav"
    assert len(given_by(source)) == 1
