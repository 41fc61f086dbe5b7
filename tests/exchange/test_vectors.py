"""Tables of features are read from every format, and each fault of one has its message."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import polars as pl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore import DataError
from asdcore.exchange.vectors import read_vectors, rows_of_lists

GOOD = {"a": [1.0, 2.0], "b": [3.0, 4.0]}


def parquet(path, **columns):
    pl.DataFrame(columns).write_parquet(path)
    return path


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5), st.integers(1, 4), st.booleans())
def test_nested_lists_become_the_arrays_that_they_are(lengths, width, in_bands):
    shapes = [(length, 2, width) if in_bands else (length, width) for length in lengths]
    rows = [(np.arange(np.prod(shape)) + i).reshape(shape).tolist() for i, shape in enumerate(shapes)]
    arrays = rows_of_lists(pl.Series(rows), "here")
    assert [array.tolist() for array in arrays] == rows


def test_lists_of_pyarrow_of_every_kind_are_read(tmp_path):
    rows = [[1.0, 2.0], [3.0, 4.0]]
    kinds = [pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.float64(), 2), pyarrow.large_list(pyarrow.int64())]
    for i, kind in enumerate(kinds):
        table = pyarrow.table({"path": ["a", "b"], "x": pyarrow.array(rows, kind)})
        pyarrow.parquet.write_table(table, tmp_path / f"{i}.parquet")
        vectors = read_vectors(tmp_path / f"{i}.parquet").by_name
        assert {name: array.tolist() for name, array in vectors.items()} == {"a": [1.0, 2.0], "b": [3.0, 4.0]}


def test_a_folder_of_npy_files_is_named_by_their_paths(tmp_path):
    (tmp_path / "fan" / "train").mkdir(parents=True)
    np.save(tmp_path / "fan" / "train" / "a.wav.npy", np.ones((3, 2)))
    assert {name: array.shape for name, array in read_vectors(tmp_path).by_name.items()} == {"fan/train/a.wav": (3, 2)}


def test_npy_files_behind_a_link_are_read_and_hidden_ones_are_not(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "share").mkdir()
    np.save(tmp_path / "share" / "a.npy", np.ones(2))
    (tmp_path / "share" / "._a.npy").write_bytes(b"\0\5\x16\7")  # as macOS leaves it on other disks
    (tmp_path / "table" / "fan").symlink_to(tmp_path / "share")
    assert list(read_vectors(tmp_path / "table").by_name) == ["fan/a"]


FAULTS = {
    "another length": ({"a": [1.0], "b": [1.0, 2.0]}, r"b has features \(2,\), and a \(1,\)\. All must have the same"),
    "nan": ({"a": [1.0], "b": [np.nan]}, "of 1 recordings hold NaN or infinite values, the first: b"),
    "beyond float32": ({"a": [1.0], "b": [1e60]}, "hold NaN or infinite values, the first: b"),
    "text": ({"a": ["x"]}, r"is an array \(1,\) of <U1. Numbers are allowed"),
    "a number": ({"a": 1.0}, r"is an array \(\) of float64"),
    "nothing": ({"a": []}, r"is an array \(0,\)"),
    "no rows": ({}, "holds no features. Allowed is a Parquet table"),
    "objects": ({"a": np.array([None])}, "cannot be read as NumPy arrays"),
}


@pytest.mark.parametrize(("arrays", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_an_npz_file_has_its_message(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "t.npz")


OF_PARQUET = {
    "no names": ({"x": [[1.0]]}, "names no recordings: its columns are x. Call the column of clip names 'clip'"),
    "no lists": ({"clip": ["a"], "x": [1.0]}, "has no column of lists. One is allowed"),
    "two lists": ({"clip": ["a"], "x": [[1.0]], "y": [[1.0]]}, r"has 2 columns of lists \(x, y\)"),
    "twice": ({"clip": ["a", "a"], "x": [[1.0], [2.0]]}, "'clip': a has two rows"),
    "no name": ({"clip": ["a", None], "x": [[1.0], [2.0]]}, "'clip': a row has no name"),
    "empty": ({"clip": ["a", "b"], "x": [[1.0], []]}, "'x': a row is empty or null"),
    "null": ({"clip": ["a", "b"], "x": [[1.0], None]}, "'x': a row is empty or null"),
    "a null value": ({"clip": ["a"], "x": [[1.0, None]]}, "1 values are null. Numbers are allowed"),
    "text": ({"clip": ["a"], "x": [["b"]]}, "the values are String. Numbers are allowed"),
    "no rectangle": ({"clip": ["a"], "x": [[[1.0], [1.0, 2.0]]]}, "the lists in a list have 1 to 2 values"),
    "shape": ({"clip": ["a"], "shape": [[3]], "values": [[1.0]]}, "'shape' does not fit 'values'"),
    "no axes": ({"clip": ["a"], "shape": [[]], "values": [[1.0]]}, r"is an array \(\) of float32"),
    "four axes": ({"clip": ["a"], "shape": [[1, 1, 1, 2]], "values": [[1.0, 2.0]]}, r"is an array \(1, 1, 1, 2\)"),
    "beyond float32": ({"clip": ["a"], "x": [[1e300]]}, "hold NaN or infinite values, the first: a"),
    "bytes of a digest": ({"sha256": [b"\xff" * 32], "x": [[1.0]]}, "'sha256' holds Binary. The SHA-256 of a file is"),
    "digest": ({"clip": ["a"], "sha256": ["abc"], "x": [[1.0]]}, "'abc' is not the SHA-256 of a file"),
}


@pytest.mark.parametrize(("columns", "message"), OF_PARQUET.values(), ids=OF_PARQUET)
def test_a_fault_of_a_parquet_table_has_its_message(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        read_vectors(parquet(tmp_path / "t.parquet", **columns))


@pytest.mark.parametrize("clip", [[], ["a"]], ids=["alone", "beside names"])
def test_digests_in_capitals_are_digests(tmp_path, clip):
    columns = {"sha256": ["AB" * 32], "x": [[1.0]]} | ({"clip": clip} if clip else {})
    vectors = read_vectors(parquet(tmp_path / "t.parquet", **columns))
    if clip:
        assert vectors.digests == {"a": "ab" * 32}
    else:
        assert list(vectors.by_name) == ["ab" * 32]
        assert vectors.are_by_digest


DAMAGED = {
    "header cut off": b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'\n",
    "more values than bytes": b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999,), }".ljust(117)
    + b"\n",
    "pickled": pickle.dumps([1.0, 2.0]),
}


def test_digests_in_capitals_name_arrays_and_files_too(tmp_path):
    digest = "ab" * 32
    np.savez(tmp_path / "a.npz", **{digest.upper(): np.ones(2)})
    assert read_vectors(tmp_path / "a.npz").are_by_digest
    np.savez(tmp_path / "b.npz", **{digest.upper(): np.ones(2), digest: np.ones(2)})
    with pytest.raises(DataError, match="twice, in small and in capital letters"):
        read_vectors(tmp_path / "b.npz")


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_npy_file_is_refused(tmp_path, content):
    (tmp_path / "a.wav.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wav\.npy cannot be read as NumPy arrays"):
        read_vectors(tmp_path)


def test_an_npz_file_that_holds_a_text_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"holds readme\.txt, which is not an array"):
        read_vectors(tmp_path / "t.npz")


@pytest.mark.parametrize(("place", "value"), [(6, 200), (8, 1), (10, 99), (10, 14)])
def test_an_npz_file_that_no_decompressor_takes_is_refused(tmp_path, place, value):
    """Another version of zip, an encrypted member, an unknown compression, and LZMA of bytes that are none."""
    np.savez(tmp_path / "t.npz", a=np.ones(3))
    content = bytearray((tmp_path / "t.npz").read_bytes())
    content[content.index(b"PK\1\2") + place] = value
    content[content.index(b"PK\3\4") + place - 2] = value
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.npz cannot be read as NumPy arrays"):
        read_vectors(tmp_path / "t.npz")


def test_what_is_no_table_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="There is no table"):
        read_vectors(tmp_path / "gone.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_vectors(tmp_path / "t.parquet")
    (tmp_path / "t.npz").write_bytes(b"no zip file")
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        read_vectors(tmp_path / "t.npz")
    np.save(tmp_path / "single.npy", np.ones(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(DataError, match="is a single array, and names no clip"):
        read_vectors(tmp_path / "single.npz")


def test_names_may_be_categories(tmp_path):
    frame = pl.DataFrame({"clip": ["a.wav", "b.wav"], "features": [[1.0, 2.0], [3.0, 4.0]]})
    for kind in (pl.Categorical, pl.Enum(["a.wav", "b.wav"])):
        frame.with_columns(pl.col("clip").cast(kind)).write_parquet(tmp_path / "t.parquet")
        assert read_vectors(tmp_path / "t.parquet").by_name["b.wav"].tolist() == [3.0, 4.0]
