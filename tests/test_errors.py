"""Errors travel: between processes by pickle, in copies, and with where they happened put before their words."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil

import polars as pl
import pytest

import asdcore
import asdcore_plugins
from asdcore.errors import (
    AsdcoreError,
    DatasetError,
    Interrupted,
    PluginError,
    blamed,
    by_recording,
    located,
    shortened,
)


def classes():
    """Return every exception class that any module of the project defines."""
    known = set()
    for package in (asdcore, asdcore_plugins):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, BaseException):
                    known.add(value)
    return sorted((one for one in known if one.__module__.startswith("asdcore")), key=lambda one: one.__qualname__)


def test_there_are_errors_to_test():
    assert {"AsdcoreError", "DatasetError", "NothingToCheckError", "PluginError"} <= {one.__name__ for one in classes()}


@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", classes())
def test_every_error_of_the_project_survives_the_way_to_another_process(error, way):
    with pytest.raises(error) as told, located("fan/a.wav"):
        raise error("what was found")
    raised = told.value
    raised.add_note("a note")
    arrived = way(raised)
    assert (type(arrived), arrived.args, vars(arrived)) == (error, raised.args, vars(raised))
    assert str(arrived) == str(raised)


def test_an_error_of_a_dataset_keeps_its_problems_and_its_clips():
    clips = pl.DataFrame({"clip": ["a.wav"]})
    with pytest.raises(DatasetError) as told, located("root"):
        raise DatasetError("two clips are bad:", ["a.wav: short", "b.wav: loud"], clips)
    arrived = pickle.loads(pickle.dumps(told.value))
    assert str(arrived) == "root: two clips are bad:\n  - a.wav: short\n  - b.wav: loud"
    assert arrived.problems == ["a.wav: short", "b.wav: loud"]
    assert arrived.clips.equals(clips)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("too few clips", "encoder 'a': too few clips"),
        ("encoder 'a' refuses its parameters", "encoder 'a' refuses its parameters"),
        ("encoder 'a': too few clips", "encoder 'a': too few clips"),
        ("encoder 'a'b", "encoder 'a': encoder 'a'b"),
    ],
)
def test_where_it_happened_is_said_once(message, expected):
    with pytest.raises(DatasetError) as caught, located("encoder 'a'"):
        raise DatasetError(message)
    assert str(caught.value) == expected


def test_windows_of_one_recording_make_one_line_and_others_stay():
    lines = [f"hall/a.wav#t={s}-{s + 1}&channel=2: cut short: 7 bytes" for s in range(300)]
    others = [
        "hall/b.wav: row 7: there is no such file",
        "hall/a.wav: cut short: 7 bytes",
        "fan section 00: no train clips",
    ]
    once = "hall/a.wav: cut short: 7 bytes (300 clips of it, from t=0-1&channel=2 on)"
    assert by_recording([*lines, *others]) == [once, *others]


def test_a_dataset_error_keeps_every_problem_and_says_it_once():
    error = DatasetError("Wrong.", [f"a.wav#t={s}-{s + 1}: NaN" for s in range(9)])
    assert len(error.problems) == 9
    assert str(error) == "Wrong.\n  - a.wav: NaN (9 clips of it, from t=0-1 on)"


@pytest.mark.parametrize("stop", [SystemExit(), SystemExit(0), SystemExit(3), ValueError("odd"), StopIteration()])
def test_a_plugin_that_ends_the_process_is_blamed_as_one_that_fails(stop):
    with (
        pytest.raises(PluginError, match=f"scorer 'theirs' failed with {type(stop).__name__}: .*a fault of the plugin"),
        blamed("scorer", "theirs"),
    ):
        raise stop


def test_a_person_who_interrupts_is_no_fault_of_a_plugin():
    with pytest.raises(Interrupted), blamed("scorer", "theirs"):
        raise Interrupted(130)


def test_memory_that_runs_out_is_said_with_what_needs_less():
    said = r"scorer 'knn' ran out of memory \(8 GiB\)\. .* fewer --workers need less"
    with pytest.raises(PluginError, match=said), blamed("scorer", "knn"):
        raise MemoryError("8 GiB")


@pytest.mark.parametrize("value", ["x" * 100_000, "x " * 50_000, "x\n" + "y" * 100_000, str(list(range(30_000)))])
def test_what_a_message_quotes_is_no_longer_than_a_person_reads(value):
    with pytest.raises(AsdcoreError) as told, located("branches.b"):
        raise PluginError(f"No encoder is named {value!r}. Did you mean 'logmel'?")
    said = str(told.value)
    assert len(said) <= 2000
    assert said.startswith("branches.b: No encoder is named ")
    assert said.endswith(". Did you mean 'logmel'?")
    assert told.value.args[0].count("x") == value.count("x")  # nothing is lost to a program


@pytest.mark.parametrize(
    "message", ["", "a " * 900, f"There is no folder {'/deep' * 79}.", "\n".join(["a line"] * 1000)]
)
def test_what_a_person_can_read_is_said_whole(message):
    assert str(AsdcoreError(message)) == shortened(message) == message
