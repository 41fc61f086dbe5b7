"""The reader of a table of clips: what its columns say, and everything that a person may get wrong in one."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import DatasetError
from asdcore_plugins.datasets.table import TableReader

READER = TableReader()
HEADER = "path,machine,split,section,domain,label,attributes,order,recording\n"


@pytest.fixture
def table(tmp_path, lay):
    """A function that lays two clips and the table ``clips.csv``, and returns their folder."""

    def write(text, *clips):
        root = lay(tmp_path, *(clips or ("a b.wav", "c.wav")))
        (root / "clips.csv").write_text(text, encoding="utf8")
        return root

    return write


def test_three_columns_are_enough(table):
    root = table("path,machine,split\na b.wav,pump,train\nc.wav,pump,test\n")
    columns = ("clip", "machine", "section", "split", "domain", "attributes", "order", "recording")
    assert READER.clips(root).select(columns).rows() == [
        ("a b.wav", "pump", "00", "train", "source", None, None, None),
        ("c.wav", "pump", "00", "test", None, None, None, None),
    ]
    assert READER.ground_truth(root) is None


def test_every_column_arrives_and_test_clips_keep_their_secrets(table):
    rows = "a b.wav,pump,train,01,target,normal,2 bar,17.5,monday\nc.wav,pump,test,01,source,worn,3 bar,,tuesday\n"
    root = table(HEADER + rows)
    columns = ("clip", "section", "domain", "attributes", "order", "recording")
    assert READER.clips(root).select(columns).rows() == [
        ("a b.wav", "01", "target", "2 bar", 17.5, "monday"),
        ("c.wav", "01", None, None, None, None),
    ]
    truth = READER.ground_truth(root)
    assert truth.select("clip", "label", "domain", "recording").rows() == [("c.wav", 1, "source", "tuesday")]


@pytest.mark.parametrize(
    ("label", "expected"), [("0", 0), ("normal", 0), ("GOOD", 0), ("1", 1), ("anomaly", 1), ("bearing, outer race", 1)]
)
def test_a_label_is_a_number_a_word_or_the_name_of_a_fault(table, label, expected):
    root = table(f'path,machine,split,label\na b.wav,p,train,\nc.wav,p,test,"{label}"\n')
    assert READER.ground_truth(root)["label"].to_list() == [expected]


def test_spreadsheets_write_semicolons_capitals_and_a_mark_at_the_start(table):
    root = table("\ufeffPath;Machine ;SPLIT\na b.wav;pump;Train\nc.wav; pump;test\n")
    assert READER.clips(root)["machine"].to_list() == ["pump", "pump"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lines_may_end_as_any_spreadsheet_ends_them(table, end, separator):
    lines = ["path,machine,split,label", "a b.wav,pump,train,", "c.wav,pump,test,worn", ""]
    root = table("")
    (root / "clips.csv").write_bytes(end.join(lines).replace(",", separator).encode("utf-8-sig"))
    assert READER.clips(root)["clip"].to_list() == ["a b.wav", "c.wav"]
    assert READER.ground_truth(root)["label"].to_list() == [1]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("label", ["NA", "NaN", "null", "None", "unknown", "?", "-1"])
def test_what_programs_write_for_no_label_is_not_taken_for_a_fault(table, split, label):
    root = table(f"path,machine,split,label\na b.wav,p,train,\nc.wav,p,{split},{label}\n")
    with pytest.raises(DatasetError) as refused:
        READER.clips(root)
    assert f"c.wav: row 3: its label is '{label}'" in str(refused.value)
    assert ("leave the cell empty" in str(refused.value)) is (label != "-1")


def test_parquet_holds_the_same_with_types_of_its_own(tmp_path, lay):
    lay(tmp_path, "a.wav", "c.wav")
    rows = {"path": ["a.wav", "c.wav"], "machine": ["p", "p"], "split": ["train", "test"], "label": [None, True]}
    pl.DataFrame({**rows, "order": [3, None]}).write_parquet(tmp_path / "clips.parquet")
    assert READER.ground_truth(tmp_path)["label"].to_list() == [1]
    assert READER.clips(tmp_path)["order"].to_list() == [3.0, None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,machine\na b.wav,p\n", "the column 'split' is missing; needed are path, machine, split"),
        (
            "path,machine,split,lable\na b.wav,p,train,0\n",
            "no column is called 'lable'. Known: path, machine, split, section",
        ),
        ("path,machine,split\n", "has no rows"),
        ("path,machine,split\na b.wav,,\n", "a b.wav: row 2: its machine and split are empty"),
        (
            "path,machine,split\na b.wav,p,train\nc.wav,,\nd.wav,,\n",
            "c.wav: row 3, and 1 more up to row 4: their machine and split are empty",
        ),
        ("path,machine,split\na b.wav,,train\n", "a b.wav: row 2: its machine is empty"),
        ("path,machine,split\na b.wav,p,validation\n", "its split is 'validation'; allowed are train and test"),
        ("path,machine,split\na b.wav,p,train\n/c.wav,p,test\n", "row 3: its path must lie below the table's folder"),
        ("path,machine,split\na b.wav,p,train\n../c.wav,p,test\n", "its path must lie below the table's folder"),
        ("path,machine,split\na b.wav,p,train\nd.wav,p,test\n", "d.wav: row 3: there is no such file"),
        ("path,machine,split\na b.wav,p,train\nd.mp3,p,test\n", "its ending is that of no recording"),
        ("path,machine,split\na b.wav,p,train\na b.wav,p,test\n", "row 3: row 2 names it too"),
        ("path,machine,split,domain\na b.wav,p,train,left\n", "its domain is 'left'; allowed are source, target"),
        ("path,machine,split,label\na b.wav,p,train,worn\n", "its label is 'worn', and train clips are normal"),
        ("path,machine,split,order\na b.wav,p,train,first\n", "its order is 'first'; a number is allowed"),
        ("path,machine,split\nc.wav,p,test\n", "no train clips"),
        (
            "path,machine,split\na b.wav,p,train\nd,e.wav,p,test\n",
            "clips.csv is not a table that can be read (row 3 has 4 cells, and the first 3; quote a cell",
        ),
    ],
)
def test_every_mistake_is_named_with_its_row(table, text, problem):
    with pytest.raises(DatasetError) as refused:
        READER.clips(table(text))
    assert problem in str(refused.value)


def test_without_a_table_folders_are_read(tmp_path, lay):
    lay(tmp_path, "p/train/a.wav", "p/test/worn/a.wav")
    assert READER.clips(tmp_path)["machine"].to_list() == ["p", "p"]
    assert READER.ground_truth(tmp_path).rows() == [("p/test/worn/a.wav", 1, None)]


def test_two_tables_are_one_too_many(table):
    root = table("path,machine,split\na b.wav,p,train\n")
    pl.DataFrame({"path": ["a b.wav"]}).write_parquet(root / "clips.parquet")
    with pytest.raises(DatasetError, match="remove one"):
        READER.clips(root)


def test_a_file_that_is_no_table_is_named(tmp_path):
    (tmp_path / "clips.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DatasetError, match=r"clips.parquet is not a table that can be read"):
        READER.clips(tmp_path)


def test_a_table_that_makes_polars_panic_is_named(tmp_path, monkeypatch):
    def panics(*_, **__):
        raise pl.exceptions.PanicException("assertion failed")

    pl.DataFrame({"path": ["a.wav"]}).write_parquet(tmp_path / "clips.parquet")
    monkeypatch.setattr(pl, "read_parquet", panics)
    with pytest.raises(DatasetError, match=r"clips.parquet is not a table that can be read .assertion failed"):
        READER.clips(tmp_path)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_that_is_not_utf_8_says_what_to_save_it_as(tmp_path, encoding):
    (tmp_path / "clips.csv").write_bytes("path,machine,split\r\na.wav,M\xfchle,train\r\n".encode(encoding))
    with pytest.raises(DatasetError, match=r"clips.csv .* .it is not text in UTF-8: save it as 'CSV UTF-8'"):
        READER.clips(tmp_path)


def test_a_damaged_letter_in_the_name_of_a_column_is_named(tmp_path):
    """It is no UTF-8 to pyarrow, which says so by a UnicodeDecodeError."""
    pl.DataFrame({"path": ["a.wav"], "machine": ["M"]}).write_parquet(tmp_path / "clips.parquet")
    content = (tmp_path / "clips.parquet").read_bytes()
    (tmp_path / "clips.parquet").write_bytes(content.replace(b"machine", b"\xffachine"))
    with pytest.raises(DatasetError, match=r"clips.parquet is not a table that can be read"):
        READER.clips(tmp_path)
