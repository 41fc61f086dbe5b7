"""Runs that are used together: opened in their order, each of them once."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.errors import DataError, EvaluationError
from asdcore.runs.several import each_run_once

PORTFOLIO = """
name = "p"
[branches.a]
encoder = "logmel"
scorer = "knn"
[systems.a]
weights = { a = 1.0 }
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory, make_dataset):
    """The folders of two finished runs."""
    home = tmp_path_factory.mktemp("several")
    data = make_dataset(home / "data", ("fan",))
    (home / "p.toml").write_text(PORTFOLIO)
    runs = [asdcore.run(home / "p.toml", data, home / name, task="dcase2026", store=home / "store") for name in "ba"]
    return [run.folder for run in runs]


def test_runs_and_folders_are_opened_in_their_order(folders):
    b, a = folders
    assert [run.folder for run in each_run_once([asdcore.load_run(b), str(a)])] == [b, a]
    assert each_run_once([]) == []


def test_a_run_under_another_path_is_the_same_run(folders, tmp_path):
    b, a = folders
    (tmp_path / "link").symlink_to(b)
    for again in (b, asdcore.load_run(b), tmp_path / "link", a / ".." / "b"):
        with pytest.raises(EvaluationError, match=f"The run {b} is given twice. Name every run once."):
            each_run_once([b, a, again])


def test_a_folder_without_a_run_is_refused(folders, tmp_path):
    with pytest.raises(DataError, match="is not a finished run"):
        each_run_once([folders[0], tmp_path])
