"""What a process was doing can be read once it has ended, whatever is written."""

from __future__ import annotations

import os
import threading

import pytest

from asdcore.processes.under_way import SIZE, read, sudden_end, under_way, write_to


@pytest.fixture
def file():
    number = os.memfd_create("doing")
    write_to(number)
    yield number
    write_to(None)
    os.close(number)


def test_what_is_under_way_is_read_and_no_more_once_it_is_left(file):
    with under_way("branch 'near'"):
        with under_way("view 'far'", "plugin"):
            assert read(file) == [("work", "branch 'near'"), ("plugin", "view 'far'")]
        assert read(file) == [("work", "branch 'near'")]
    assert read(file) == []


def test_what_raises_is_left_too(file):
    with pytest.raises(KeyError), under_way("branch 'near'"):
        raise KeyError
    assert read(file) == []


def test_the_thread_in_a_plugin_is_told_and_not_those_that_wait(file):
    inside, told = threading.Event(), threading.Event()

    def work():
        with under_way("encoder 'theirs'", "plugin"):
            inside.set()
            told.wait()

    with under_way("all clips"):
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait()
        assert read(file) == [("plugin", "encoder 'theirs'")]
        told.set()
        thread.join()


def test_names_without_end_or_a_disk_that_is_full_end_no_work(file):
    with under_way("x" * SIZE):
        assert read(file) == []
    write_to(os.open("/dev/full", os.O_WRONLY))
    with under_way("branch 'near'"):
        pass


def test_a_process_that_a_plugin_forks_writes_nothing(file):
    with under_way("branch 'near'"):
        if not (child := os.fork()):
            with under_way("in the child"):
                os._exit(0)
        os.waitpid(child, 0)
        assert read(file) == [("work", "branch 'near'")]


def test_a_file_that_is_gone_or_no_text_says_nothing(tmp_path):
    assert read(tmp_path / "absent") == []
    tmp_path.joinpath("no text").write_bytes(b"\xff\x00[")
    assert read(tmp_path / "no text") == []


def test_an_end_that_the_system_does_not_tell_is_told_as_such():
    assert sudden_end(None, []) == "A process ended before its work was done."
