"""A table is in the file of that very name, whatever polars would make of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import polars as pl
import pytest

import asdcore
import asdcore_plugins
from asdcore.basics.spreadsheets import read_spreadsheet
from asdcore.basics.table_files import (
    csv_in_batches,
    parquet_in_batches,
    parquet_metadata,
    parquet_schema,
    read_foreign_parquet,
    read_parquet,
    write_csv,
    write_parquet,
)

TABLE = pl.DataFrame({"clip": ["a.wav", "b.wav"], "score": [1.0, 2.0]})
OTHER = pl.DataFrame({"clip": ["other.wav"], "score": [9.0]})
NAMES = [
    "take[1]",
    "take*",
    "take?",
    "~",
    "~root",
    "file:",
    "s3:",
    "http:",
    "a{b}",
    "50%20",
    "#",
    "two\nlines",
    "x\udcff",
]
POLARS = re.compile(r"pl\.(read|scan)_\w+|(?!table_files|paper_tables)[\w.]+\.(write|sink)_(parquet|csv|ipc)")
OPEN = re.compile(r"^(buffer|opened|nothing)$|BytesIO")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name_holds_its_own_table(name, tmp_path, monkeypatch):
    home = tmp_path / "home"
    for folder in ("take1", "home"):  # what [1], *, ? and ~ would find
        (tmp_path / folder).mkdir()
        OTHER.write_parquet(tmp_path / folder / "t.parquet")
        OTHER.write_csv(tmp_path / folder / "t.csv")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    folder.mkdir()
    write_parquet(TABLE, folder / "t.parquet", {"of": "me"})
    write_csv(TABLE, folder / "t.csv")
    assert sorted(path.name for path in folder.iterdir()) == ["t.csv", "t.parquet"]
    assert read_parquet(folder / "t.parquet").equals(TABLE)
    assert read_parquet(folder / "t.parquet", ["clip"]).equals(TABLE.select("clip"))
    assert list(parquet_schema(folder / "t.parquet")) == TABLE.columns
    assert parquet_metadata(folder / "t.parquet")["of"] == "me"
    assert read_spreadsheet(folder / "t.csv").equals(TABLE.cast(pl.String))
    assert pl.concat(csv_in_batches(folder / "t.csv", 1)).equals(TABLE)


def test_the_bytes_are_those_of_polars_itself(tmp_path):
    TABLE.write_parquet(tmp_path / "polars", compression="zstd", statistics=False)
    write_parquet(TABLE, tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "polars").read_bytes()


@pytest.mark.parametrize("read", [read_parquet, parquet_schema, parquet_metadata, read_spreadsheet])
def test_a_file_that_is_missing_or_none_is_an_error_of_the_system_or_of_polars(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone")
    (tmp_path / "empty").touch()
    with pytest.raises((pl.exceptions.PolarsError, OSError, ValueError)):
        read(tmp_path / "empty")


def test_what_makes_polars_panic_is_an_error_like_any_other(tmp_path, monkeypatch):
    """Of some damaged pages it panics, which is no Exception: whoever waits for PolarsError would be passed by."""
    write_parquet(TABLE, tmp_path / "x")

    def panics(*_, **__):
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    monkeypatch.setattr(pl, "read_parquet", panics)
    with pytest.raises(pl.exceptions.PolarsError, match="assertion failed"):
        read_foreign_parquet(tmp_path / "x")


def test_polars_decodes_no_table_that_was_kept(tmp_path, monkeypatch):
    """Of some damage polars stops the process. What a store and a run folder hold may be damaged as well."""
    for name in ("read_parquet", "read_parquet_schema", "read_parquet_metadata"):
        monkeypatch.setattr(pl, name, lambda *_, **__: pytest.fail("polars was asked"))
    write_parquet(TABLE, tmp_path / "whole", {"of": "me"})
    assert read_parquet(tmp_path / "whole").equals(TABLE)
    assert parquet_schema(tmp_path / "whole") == TABLE.schema
    assert parquet_metadata(tmp_path / "whole")["of"] == "me"
    content = (tmp_path / "whole").read_bytes()
    for damaged in (b"", b"no table", content[:-9], content[: len(content) // 2]):
        with pytest.raises((pl.exceptions.PolarsError, OSError)):
            read_parquet(damaged)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_table_comes_back_with_its_types(rows, tmp_path):
    frame = pl.DataFrame(
        {
            "text": ["", None, "\u00e9"][:rows],
            "unknown": [None] * rows,
            "small": [-1, 0, 1][:rows],
            "score": [0.5, None, -0.0][:rows],
            "shape": [[2, 1], [], [3]][:rows],
            "values": [[0.25, None], [], [1.0]][:rows],
        },
        schema={
            "text": pl.String,
            "unknown": pl.String,
            "small": pl.Int8,
            "score": pl.Float64,
            "shape": pl.List(pl.Int32),
            "values": pl.List(pl.Float32),
        },
    )
    write_parquet(frame, tmp_path / "x")
    back = read_parquet(tmp_path / "x")
    assert back.schema == frame.schema
    assert back.equals(frame)


def _with_a_column_that_is_no_text(path: Path) -> None:
    """Write a table one letter of whose column's name was damaged where only pyarrow looks: in the footer."""
    write_parquet(TABLE.rename({"clip": "clippings"}), path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"clippings", b"clip\xffings"[:9]))


def test_a_name_that_is_no_text_is_damage(tmp_path):
    _with_a_column_that_is_no_text(tmp_path / "x")
    for read in (read_parquet, read_foreign_parquet, lambda path: list(parquet_in_batches(path, 1))):
        with pytest.raises((pl.exceptions.PolarsError, OSError)):
            read(tmp_path / "x")


def test_polars_gets_a_table_of_others_only_if_pyarrow_can_read_it(tmp_path, monkeypatch):
    """Of some damage polars asks for all memory there is, which ends the process; pyarrow refuses it."""
    frame = pl.DataFrame({"clip": [f"{i}.wav" for i in range(400)]})
    write_parquet(frame, tmp_path / "whole")
    assert read_foreign_parquet(tmp_path / "whole").equals(frame)
    content = (tmp_path / "whole").read_bytes()
    monkeypatch.setattr(pl, "read_parquet", lambda *_, **__: pytest.fail("polars was asked"))
    for damaged in (b"", b"no table", content[:-9], content[: len(content) // 2]):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(pl.exceptions.PolarsError):
            read_foreign_parquet(tmp_path / "damaged")


def test_nobody_gives_polars_a_path():
    """Calls of polars that read or write files stand in one module, or have a file that is open."""
    calls = []
    for package in (asdcore, asdcore_plugins):
        for file in Path(package.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and (call := POLARS.fullmatch(ast.unparse(node.func))):
                    given = ast.unparse(node.args[0]) if node.args else "nothing"
                    calls.append((file.name, call[0], given))
    outside = [call for call in calls if call[0] != "table_files.py"]
    assert [call for call in outside if not OPEN.search(call[2])] == []
    assert len(calls) - len(outside) == 4


def test_polars_is_given_no_file_of_which_it_would_make_a_memory_map(tmp_path, monkeypatch):
    write_parquet(TABLE, tmp_path / "x")
    given, of_polars = [], pl.read_parquet

    def listen(source, **options):
        given.append(source)
        return of_polars(source, **options)

    monkeypatch.setattr(pl, "read_parquet", listen)
    read_foreign_parquet(tmp_path / "x")
    assert [type(source) for source in given] == [bytes]
