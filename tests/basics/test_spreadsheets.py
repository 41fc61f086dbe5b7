"""A table that a person made is read as every spreadsheet writes it."""

from __future__ import annotations

import pytest

from asdcore.basics.spreadsheets import read_spreadsheet


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_the_same_with_any_separator_and_end_of_line(tmp_path, separator, end, mark):
    lines = ["Path,MACHINE ,kind", "a.wav,Mühle,", '"b 2.wav",pump,worn', ""]
    (tmp_path / "t.csv").write_bytes(mark + end.join(lines).replace(",", separator).encode())
    assert read_spreadsheet(tmp_path / "t.csv").rows(named=True) == [
        {"path": "a.wav", "machine": "Mühle", "kind": None},
        {"path": "b 2.wav", "machine": "pump", "kind": "worn"},
    ]


def test_cells_in_quotes_may_hold_separators_and_ends_of_lines(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'a;b\n"x;y";"two\nlines"\n')
    assert read_spreadsheet(tmp_path / "t.csv").rows() == [("x;y", "two\nlines")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty CSV"),
        ("a,b\nü,1\n".encode("latin-1"), "not text in UTF-8: save it as 'CSV UTF-8'"),
        ("a,b\n".encode("utf-16"), "not text in UTF-8"),
        (b"a,b\n\0,1\n", "not text in UTF-8"),
        (b"a,b\n1,2\n1,2,3\n", "row 3 has 3 cells, and the first 2; quote a cell with a separator in it"),
    ],
)
def test_what_is_no_table_is_said_in_words_that_fit_into_brackets(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=said) as told:
        read_spreadsheet(tmp_path / "t.csv")
    assert "\n" not in str(told.value)
