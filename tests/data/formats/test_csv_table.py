"""Tables of samples: how spreadsheets write them, and that a time without a unit says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.audio import decode_new, inspect_audio
from asdcore.errors import DataError

RATE = 1000
VALUES = np.round(np.random.default_rng(0).standard_normal((400, 2)), 4)


def write(path, head, separator=",", comma=".", time=None):
    rows = [
        ([f"{time[i]:.6f}"] if time is not None else []) + [f"{value:.4f}" for value in row]
        for i, row in enumerate(VALUES)
    ]
    lines = [separator.join(row).replace(".", comma) for row in rows]
    path.write_text("\n".join(([head] if head else []) + lines) + "\n", encoding="utf-8")
    return path


SECONDS = np.arange(len(VALUES)) / RATE


@pytest.mark.parametrize(
    ("head", "separator", "comma", "time"),
    [
        ("time [s],X [g],Y [g]", ",", ".", SECONDS),
        ("Time (ms);X [g];Y [g]", ";", ",", SECONDS * 1000),
        ("\ufefft [us]\tX [g]\tY [g]", "\t", ",", SECONDS * 1e6),
    ],
)
def test_a_column_of_time_says_the_rate_and_brackets_the_unit(tmp_path, head, separator, comma, time):
    path = write(tmp_path / "a.csv", head, separator, comma, time)
    heard, facts = decode_new(path.with_name("a.csv#t=0.1-0.2&channel=Y"))
    np.testing.assert_array_equal(heard[0], VALUES[100:200, 1].astype(np.float32))
    assert (facts.sample_rate, facts.unit) == (RATE, "g")


def test_without_names_columns_have_numbers_and_the_rate_is_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "")
    with pytest.raises(DataError, match="has 2 channels and none is chosen: 1, 2"):
        inspect_audio(path)
    with pytest.raises(DataError, match="does not say the sample rate of its channel 2"):
        inspect_audio(path.with_name("a.csv#channel=2"))
    heard, _ = decode_new(path.with_name("a.csv#channel=2&rate=25600"))
    np.testing.assert_array_equal(heard[0], VALUES[:, 1].astype(np.float32))


def test_a_time_without_a_unit_is_not_guessed_and_an_uneven_one_refused(tmp_path):
    path = write(tmp_path / "a.csv", "time,X,Y", time=SECONDS)
    with pytest.raises(DataError, match="does not say the sample rate"):
        inspect_audio(path.with_name("a.csv#channel=X"))
    path = write(tmp_path / "b.csv", "time [s],X,Y", time=SECONDS + 0.05 * (np.arange(len(SECONDS)) > 200))
    with pytest.raises(DataError, match="its channel X is sampled unevenly"):
        inspect_audio(path.with_name("b.csv#channel=X"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda lines: [*lines[:3], "0.002,,0.5", *lines[4:]],
            r"its channel X has nothing in row 4, and a number is allowed",
        ),
        (
            lambda lines: [*lines[:3], "0.002,off,0.5", *lines[4:]],
            r"its channel X has 'off' in row 4, and a number is allowed",
        ),
        (lambda lines: [*lines[:-1], lines[-1][:9]], r"its channel X has nothing in row 401"),
        (lambda lines: [*lines[:2], lines[2].replace("0.001000", "noon"), *lines[3:]], "has no time everywhere: time"),
        (lambda lines: [*lines, "1,2,3,4"], "will not decode"),
        (lambda _: [], "is empty|empty"),
    ],
)
def test_what_is_no_number_is_named_by_its_row(tmp_path, change, problem):
    path = write(tmp_path / "a.csv", "time [s],X,Y", time=SECONDS)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(DataError, match=problem):
        inspect_audio(path.with_name("a.csv#channel=X"))


def test_a_column_of_notes_is_no_channel(tmp_path):
    (tmp_path / "a.csv").write_text("X,note\n0.5,ok\n0.6,\n0.7,ok\n")
    np.testing.assert_allclose(decode_new(tmp_path / "a.csv#rate=1000")[0][0], [0.5, 0.6, 0.7])
    (tmp_path / "b.csv").write_text("note\nok\n")
    with pytest.raises(DataError, match="b.csv: has no column of numbers"):
        inspect_audio(tmp_path / "b.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_that_is_not_utf_8_says_what_to_save_it_as(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("time [s],x [m/s\xb2]\n0,0.5\n0.001,0.25\n".encode(encoding))
    with pytest.raises(DataError, match=r"^a.csv: is not text in UTF-8. Save it as 'CSV UTF-8'"):
        inspect_audio(tmp_path / "a.csv")
