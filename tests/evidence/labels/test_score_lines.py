"""asdcore.evidence.labels.score_lines: what a line of a score file may be, and every fault of a file at once."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.evidence.labels.score_lines import DECISION, SCORE, once, read_rows

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def read(text, column=SCORE):
    content = text if isinstance(text, bytes) else text.encode()
    rows, problems = read_rows(content, "f.csv", column)
    return [(row.clip, row.value) for row in rows], [str(problem) for problem in problems]


def test_line_ends_and_the_last_one_missing_change_nothing():
    expected = ([("a.wav", 0.5), ("b.wav", -1.0)], [])
    for text in ("a.wav,0.5\nb.wav,-1\n", "a.wav,0.5\r\nb.wav,-1\r\n", "a.wav,0.5\nb.wav,-1", "a.wav,0.5\r\nb.wav,-1"):
        assert read(text) == expected


@given(FINITE)
def test_a_float_as_python_prints_it_comes_back_bit_for_bit(value):
    ((_, found),), problems = read(f"a.wav,{value!r}\n")
    assert struct.pack("<d", found) == struct.pack("<d", value)
    assert not problems


@pytest.mark.parametrize("text", ["0", "-0", "+1", "1.", ".5", "1e5", "1E-05", "-4.7e+2", "007", "1e-400"])
def test_numbers_that_every_program_reads_alike(text):
    assert read(f"a.wav,{text}\n") == ([("a.wav", float(text))], [])


NO_NUMBERS = (
    "nan NaN inf -Infinity infinity 1e999 1_000 \u0661 0x1p3 1,0e 1d5 1e e5 . --1 1.2.3 True None 0.5; \u22121 1/2 50%"
)


@pytest.mark.parametrize("text", [*NO_NUMBERS.split(), "", "1\u00a00", "0.5\x00", '"0.5"'])
def test_what_only_some_programs_read_or_none(text):
    (_, value), *_ = read(f"a.wav,{text}\n")[0]
    assert value is None
    assert read(f"a.wav,{text}\n")[1][0].startswith("f.csv, line 1: found ")


@pytest.mark.parametrize("text", ["2", "0.7", "1.0", "-1", "01", "+1", "True", "", "1 "])
def test_decisions_are_0_or_1(text):
    assert read("a.wav,0\nb.wav,1\n", DECISION) == ([("a.wav", 0), ("b.wav", 1)], [])
    assert len(read(f"a.wav,{text}\n", DECISION)[1]) == 1


def test_every_fault_of_a_file_is_found_at_its_line():
    text = "\ufefffile,score\n\na.wav,nan\nb.wav\nc.wav,1,2\n d.wav,3\ne.wav,4\t\nf.wav;5\ng.wav,6\rh.wav,7\n \n"
    rows, problems = read(text)
    assert [problem.split(": ")[0].removeprefix("f.csv, ") for problem in problems] == [
        *("line 1", "line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10")
    ]
    said = [problem.split(": ", 1)[1] for problem in problems]
    assert said[0] == "found a byte-order mark; allowed is UTF-8 without one."
    assert said[1] == "found 'score' as the score; allowed is a finite number (and no header line)."
    assert said[2] == "found a blank line; allowed are lines <clip>,<score>."
    assert said[5] == "found 3 columns ('c.wav,1,2'); allowed are two, <clip>,<score>."
    assert said[6] == "found ' d.wav,3'; spaces around a name or a value are not allowed."
    assert said[9] == "found a carriage return in 'g.wav,6\\rh.wav,7'; allowed are lines that end with LF or CRLF."
    # What a line is about is known even so: its clip is not reported as missing too.
    assert [clip for clip, _ in rows] == ["file", "a.wav", "b.wav", "c.wav", "d.wav", "e.wav", "f.wav;5", "g.wav"]
    assert all(value is None for _, value in rows)


@pytest.mark.parametrize("coding", ["utf-16", "latin-1"])
def test_text_that_is_not_utf_8(coding):
    rows, (problem,) = read("a.wav,1\nä.wav,2\n".encode(coding))
    assert rows == []
    line, byte = (1, "ff") if coding == "utf-16" else (2, "e4")
    assert problem == f"f.csv, line {line}: found the byte 0x{byte}; allowed is UTF-8 text."


def test_utf_16_without_a_mark_is_no_number():
    assert read("a.wav,1\n".encode("utf-16-le"))[1]


def test_a_long_line_is_not_repeated_in_full():
    (problem,) = read("x" * 10**6)[1]
    assert len(problem) < 200


def test_a_clip_again_is_named_with_its_first_place():
    rows, _ = read_rows(b"a.wav,1\nb.wav,2\na.wav,1\na.wav,3\n", "f.csv", SCORE)
    first, twice = once(rows)
    assert {clip: row.value for clip, row in first.items()} == {"a.wav": 1.0, "b.wav": 2.0}
    assert [(one.line, one.reason) for one in twice] == [
        (3, "found 'a.wav' again, first in f.csv, line 1; allowed is once"),
        (4, "found 'a.wav' again, first in f.csv, line 1; allowed is once"),
    ]


@given(st.binary(max_size=60) | st.text(alphabet='a.,\n\r \t\ufeff"01-e', max_size=40).map(str.encode))
def test_whatever_the_bytes_each_line_is_read_or_has_a_problem(content):
    rows, problems = read_rows(content, "f.csv", SCORE)
    faulty = {problem.line for problem in problems}
    assert all((row.value is None) == (row.line in faulty) for row in rows if row.line > 1)
    assert rows or problems
