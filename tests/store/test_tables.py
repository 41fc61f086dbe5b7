"""Tables are checked whenever they are written or read."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import StoreError
from asdcore.store.digests.digest import table_digest
from asdcore.store.tables import (
    CALIBRATED,
    CLIP_INDEX,
    DECISIONS,
    GROUND_TRUTH,
    SCORES,
    read_parquet,
    read_table,
    write_parquet,
    write_table,
)


def truth() -> pl.DataFrame:
    return pl.DataFrame(
        {"clip": ["b.wav", "a.wav"], "label": [0, 1], "domain": ["source", None]}, schema=GROUND_TRUTH.columns
    )


def test_round_trip_is_sorted_by_key(tmp_path):
    digest = write_table(GROUND_TRUTH, truth(), tmp_path / "t.parquet")
    back = read_table(GROUND_TRUTH, tmp_path / "t.parquet", "")
    assert back.equals(truth().sort("clip"))
    assert digest == write_table(GROUND_TRUTH, truth().reverse(), tmp_path / "u.parquet")


def test_no_table_but_the_ground_truth_has_a_label():
    assert "label" in GROUND_TRUTH.columns
    assert all("label" not in table.columns for table in (SCORES, DECISIONS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop("label"), "missing columns \\['label'\\]"),
        (lambda t: t.with_columns(x=1), "unexpected columns \\['x'\\]"),
        (lambda t: t.cast({"label": pl.Int64}), "label is Int64, it must be Int8"),
        (lambda t: pl.concat([t, t]), "same clip"),
    ],
    ids=["missing", "extra", "type", "key"],
)
def test_what_is_no_such_table_is_refused(tmp_path, change, said):
    with pytest.raises(StoreError, match=said):
        write_table(GROUND_TRUTH, change(truth()), tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None])
def test_a_score_that_is_no_number_is_neither_written_nor_read(tmp_path, value):
    row = dict.fromkeys(CALIBRATED.key, "x") | {"z": 1.0}
    frame = pl.DataFrame([row, row | {"clip": "y", "z": value}], schema=CALIBRATED.columns)
    with pytest.raises(StoreError, match="calibrated.z has 1 values that are missing or not finite"):
        write_table(CALIBRATED, frame, tmp_path / "t.parquet")
    write_parquet(frame, tmp_path / "t.parquet", table_digest(frame, CALIBRATED.key))
    with pytest.raises(StoreError, match="t.parquet.* not finite.* Run it again"):
        read_table(CALIBRATED, tmp_path / "t.parquet", "Run it again.")


def test_what_identifies_a_row_is_there(tmp_path):
    frame = pl.DataFrame([("a", None, "oof", 1.0)], schema=CALIBRATED.columns, orient="row")
    with pytest.raises(StoreError, match="calibrated.branch has 1 values that are missing"):
        write_table(CALIBRATED, frame, tmp_path / "t.parquet")


def test_absent_file_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="There is no .*Run it again"):
        read_table(GROUND_TRUTH, tmp_path / "t.parquet", "Run it again.")


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(GROUND_TRUTH, truth(), path)
    whole = path.read_bytes()
    before = read_table(GROUND_TRUTH, path, "")
    silent = 0
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        try:
            # A byte may lie in padding or in the footer's prose: then what is read must be what was written.
            assert read_table(GROUND_TRUTH, path, "").equals(before)
            silent += 1
        except StoreError:
            pass
    assert silent < len(whole) / 7
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="cannot be read"):
            read_table(GROUND_TRUTH, path, "")


def test_a_column_that_is_there_if_known_changes_no_table_without_it(tmp_path):
    row = dict.fromkeys(CLIP_INDEX.columns) | {"clip": "a.wav"}
    plain = CLIP_INDEX.check(pl.DataFrame([row], schema=CLIP_INDEX.columns))
    unknown = plain.with_columns(unit=pl.lit(None, pl.String))
    places = [tmp_path / "plain.parquet", tmp_path / "unknown.parquet", tmp_path / "in_g.parquet"]
    digests = [
        write_table(CLIP_INDEX, frame, place)
        for frame, place in zip((plain, unknown, plain.with_columns(unit=pl.lit("g"))), places, strict=True)
    ]
    assert digests[0] == digests[1] != digests[2]
    assert read_table(CLIP_INDEX, places[2], "")["unit"].to_list() == ["g"]
    with pytest.raises(StoreError, match="unit is Int32, it must be String"):
        CLIP_INDEX.check(plain.with_columns(unit=1))


def test_a_damaged_table_is_told_in_one_line(tmp_path):
    """pyarrow ends some of its messages with a new line."""
    write_parquet(pl.DataFrame({"a": [1]}), tmp_path / "x", "digest")
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[:-100] + b"\xff" * 92 + content[-8:])
    with pytest.raises(StoreError, match=r"^.* cannot be read as Parquet \(.+\): cut short or overwritten\. Repair\.$"):
        read_parquet(tmp_path / "x", "Repair.")
