"""The switch-board in short: libraries take the code of other processors, and the same bytes come out."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from asdcore.runs.folder import TABLES, load_run
from asdcore.runs.writing import write_run
from asdcore.store.digests.sealed_json import FIELD
from benchmarks import processors
from benchmarks.processors import EQUAL, LACKS, Board, Setting

PORTFOLIO = """
name = "short"

[branches.near_knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "cosine" }

[branches.near_gauss]
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = { name = "mahalanobis" }

[systems.fused]
weights = { near_knn = 0.5, near_gauss = 0.5 }
transform = "log1p"
"""


@pytest.fixture(scope="module")
def board(dataset, tmp_path_factory):
    """A small portfolio on two machines, computed by this processor as it is."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "short.toml").write_text(PORTFOLIO)
    return Board(dataset, folder, {"short": str(folder / "short.toml")})


@pytest.mark.parametrize("variable", ["OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES"])
def test_other_kernels_give_the_same_features_and_tables(board, variable):
    """The last setting of each variable alone is the one furthest from a new processor."""
    setting = [each for each in processors.settings() if set(each.variables) == {variable}][-1]
    assert not setting.lacks
    assert board.row(setting)["short"] == EQUAL


def test_numbers_that_differ_are_told_with_their_distance(board):
    shutil.copytree(board.place("as it is"), board.place("nudged"))
    run = load_run(board.place("nudged") / "short")
    about = {key: value for key, value in run.about.items() if key not in ("schema", "tables", FIELD)}
    moved = pl.when(pl.int_range(pl.len()) == 3).then(pl.col("score") + 0.25).otherwise("score").alias("score")
    write_run(
        run.folder, {name: getattr(run, name) for name in TABLES} | {"scores": run.scores.with_columns(moved)}, about
    )
    assert board.compared("short", "nudged") == "scores 2.5e-01"
    assert board.compared("short", "as it is") == EQUAL


def test_a_setting_that_the_processor_lacks_is_said_and_not_tried(board, monkeypatch):
    monkeypatch.setattr(board, "run", None)
    row = board.row(Setting({"OPENBLAS_CORETYPE": "SkylakeX"}, "avx1024"))
    assert (row["short"], row["kernels"]) == (LACKS, "this processor lacks avx1024")


def test_every_variable_that_was_measured_has_a_setting():
    named = {name for setting in processors.settings() for name in setting.variables}
    measured = {"NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "MKL_CBWR"}
    assert measured | {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"} <= named
