"""A run whose tables were spoiled and sealed anew is not frozen: a seal says who wrote a table, not that it is one."""

from __future__ import annotations

import json

import polars as pl
import pytest

from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.freeze import freeze
from asdcore.runs.folder import RUN_FILE, TABLES, load_run
from asdcore.store.digests.digest import table_digest
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed
from asdcore.store.disk.atomic import json_text, write_bytes
from asdcore.store.tables import write_parquet


def spoil(folder, name, change):
    """Change a table of a run, and seal both as if nothing had happened."""
    path, table = folder / f"{name}.parquet", TABLES[name]
    frame = change(pl.read_parquet(path)).sort(table.key)
    digest = table_digest(frame, table.key)
    write_parquet(frame, path, digest)
    about = json.loads((folder / RUN_FILE).read_text())
    about["tables"][name] = digest
    write_bytes(folder / RUN_FILE, seal(json_text({**about, FIELD: unsealed()}).encode()))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
@pytest.mark.parametrize(
    ("name", "column"),
    [("scores", "score"), ("calibrated", "z"), ("systems", "score"), ("systems", "base"), ("decisions", "threshold")],
)
def test_a_table_with_a_value_that_is_no_number_is_not_read(frozen, name, column, value):
    spoil(frozen.home / "run", name, lambda frame: frame.with_columns(pl.lit(value, pl.Float64).alias(column)))
    with pytest.raises(StoreError, match=rf"{column} has \d+ values that are missing or not finite"):
        getattr(load_run(frozen.home / "run"), name)
    with pytest.raises(StoreError, match="not finite"):
        freeze(frozen.home / "run", frozen.home / "again.json")
    assert not (frozen.home / "again.json").exists()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("scores", lambda t: t.filter(pl.col("clip") != t["clip"][0]), "scores: 2 rows are missing"),
        ("scores", lambda t: t.filter(pl.col("role") != "test"), "scores: .* rows are missing"),
        ("calibrated", lambda t: t[1:], "calibrated: 1 rows are missing, such as .*wav"),
        ("calibrated", lambda t: t.filter(branch="near_knn"), "calibrated: .* rows are missing"),
        ("systems", lambda t: t[:-1], "systems: 1 rows are missing"),
        ("systems", lambda t: t.with_columns(role=pl.lit("test")), "rows do not belong to the run"),
        ("systems", lambda t: t.with_columns(score=pl.col("score") + 1), "scores are not those of the table systems"),
        ("decisions", lambda t: t[1:], "decisions: 1 rows are missing"),
        ("decisions", lambda t: t[:0], "decisions: .* rows are missing"),
        ("decisions", lambda t: t.with_columns(decision=1 - pl.col("decision")), "decisions do not follow"),
        ("decisions", lambda t: t.with_columns(threshold=pl.lit(1e9)), "decisions do not follow from their scores"),
    ],
)
def test_tables_that_do_not_belong_together_are_not_frozen(frozen, name, change, said):
    spoil(frozen.home / "run", name, change)
    with pytest.raises(ManifestError, match=f"holds tables that no run writes.*\n  - (.*\n)*.*{said}"):
        freeze(frozen.home / "run", frozen.home / "again.json")
    assert not (frozen.home / "again.json").exists()


def test_a_table_of_another_system_is_not_even_read(frozen):
    spoil(frozen.home / "run", "systems", lambda t: t.with_columns(system=pl.col("system").replace("near", "far")))
    with pytest.raises(StoreError, match="has rows of 'far', which is not a system of the portfolio"):
        freeze(frozen.home / "run", frozen.home / "again.json")


def test_what_a_run_writes_is_frozen(frozen):
    spoil(frozen.home / "run", "scores", lambda table: table)
    assert freeze(frozen.home / "run", frozen.home / "again.json").subjects
