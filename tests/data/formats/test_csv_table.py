"""Tables of samples: how spreadsheets write them, and that a time without a unit says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.formats import csv_columns, csv_table
from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.errors import DataError

RATE = 1000


@pytest.fixture(autouse=True, params=[7, csv_columns.ROWS])
def rows_at_once(request, monkeypatch):
    """Read every table in one batch, and in many, whose numbers lie in a file."""
    monkeypatch.setattr(csv_columns, "ROWS", request.param)
    monkeypatch.setattr(csv_table, "IN_MEMORY", 1000 if request.param == 7 else csv_table.IN_MEMORY)


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
        (lambda lines: [*lines, "1,2,3,4"], "has 4 cells in row 402, and 3 in its first"),
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
    (tmp_path / "b.csv").write_text("note\n1 ok\n")
    with pytest.raises(DataError, match="b.csv: holds no channel of numbers in time, but note"):
        inspect_audio(tmp_path / "b.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_that_is_not_utf_8_says_what_to_save_it_as(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("time [s],x [m/s\xb2]\n0,0.5\n0.001,0.25\n".encode(encoding))
    with pytest.raises(DataError, match=r"^a.csv: is not text in UTF-8. Save it as 'CSV UTF-8'"):
        inspect_audio(tmp_path / "a.csv")


TIMED = [f"{second:.3f},{value:.4f}" for second, (value, _) in zip(SECONDS, VALUES, strict=True)]


@pytest.mark.parametrize(
    "lines",
    [
        ["time,x", "s,g", *TIMED],
        ["# logger 7", "", "% 1000 Hz", "time [s],x [g]", *TIMED, "", ""],
        ["sep=;", '"Zeit [s]";"x [g]"', *(line.replace(",", ";").replace(".", ",") for line in TIMED)],
        ["x [g],t (s)", *(",".join(reversed(line.split(","))) for line in TIMED)],
        ["time,x [g]", *(f"2026-11-01 23:59:59.{line[2:5]}Z,{line[6:]}" for line in TIMED)],
    ],
)
def test_heads_as_loggers_write_them(tmp_path, lines):
    (tmp_path / "a.csv").write_text("\n".join(lines))
    heard, facts = decode_new(tmp_path / "a.csv")
    np.testing.assert_array_equal(heard[0], VALUES[:, 0].astype(np.float32))
    assert (facts.sample_rate, facts.unit) == (RATE, "" if "x [g]" not in str(lines) and "s,g" not in lines else "g")


def test_time_may_be_written_in_steps_coarser_than_a_sample(tmp_path):
    (tmp_path / "a.csv").write_text("time [s],x\n" + "\n".join(f"{number // 10 / 1000},1" for number in range(4001)))
    assert inspect_audio(tmp_path / "a.csv#rate=10000").n_samples == 4001


@pytest.mark.parametrize(
    ("lines", "channel", "problem"),
    [
        (["time [s],x,x", "0,1,2", "0.001,2,3"], "x", "has 2 channels called 'x'; choose one by its number: 1 or 2"),
        (["time,x", "0,1", "1,2", "7,3", "8,4"], "x&rate=1000", "is sampled unevenly by its column time"),
        (["x;y", "1.234,5;1", "2.345,6;2"], "1&rate=1000", "its channel x has '1.234,5' in row 2"),
        (["time,x", "0,0,1,5", "0,1,2,5"], "x", r"has 4 cells in row 2, and 2 in its first.*A decimal comma needs ';'"),
        (["time [s],x"], "x", "has no rows of numbers"),
        (
            ["x,note", "1,a", "2,b"],
            "note&rate=1000",
            "its note is no channel of numbers in time: a column without a num",
        ),
    ],
)
def test_what_would_be_read_wrongly_is_refused(tmp_path, lines, channel, problem):
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=problem):
        inspect_audio(tmp_path / f"a.csv#channel={channel}")


def test_decimal_commas_are_seen_wherever_they_begin(tmp_path):
    (tmp_path / "a.csv").write_text("x;y\n1;2\n2;3\n3;4,5\n")
    np.testing.assert_array_equal(decode_new(tmp_path / "a.csv#channel=y&rate=1000")[0][0], [2, 3, 4.5])
