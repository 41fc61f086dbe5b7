"""What a report is about: names that tell runs apart, labels where there are any, and gaps said in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import asdcore
from asdcore.errors import AsdcoreError, EvaluationError
from asdcore.reporting.reported_runs import open_subjects, places, unique_names
from asdcore.reporting.statistics import comparable, compute_statistics, ledger_excerpt


def opened(*runs, truth=None):
    return open_subjects(runs, truth, None, lambda _: None)


@pytest.fixture
def run(dataset, fused, tmp_path):
    return asdcore.run(fused, dataset, tmp_path / "run", task="dcase2026")


def test_names_are_the_shortest_ends_that_differ():
    assert unique_names([Path("/a/one"), Path("/a/two")]) == ["one", "two"]
    assert unique_names([Path("/a/x/run"), Path("/a/y/run")]) == ["x/run", "y/run"]
    assert unique_names([Path("/run"), Path("/a/run")]) == ["run", "a/run"]


def test_a_run_named_twice_or_not_at_all_is_refused(run):
    with pytest.raises(AsdcoreError, match="is given twice"):
        opened(run, run.folder)
    with pytest.raises(AsdcoreError, match="at least one run"):
        opened()


def test_systems_of_several_runs_are_told_apart(run, simple, dataset, tmp_path):
    other = asdcore.run(simple, dataset, tmp_path / "other", task="dcase2026")
    assert opened(run)[0].title("plain") == "plain"
    both = opened(run, other)
    assert [one.title(one.systems[0]) for one in both] == ["run: guarded", "other: knn"]
    assert [len(group) for group in comparable(both)] == [2]
    assert {(one.first, one.second) for one in compute_statistics(both).differences} == {
        ("other: knn", "run: guarded"), ("other: knn", "run: plain"), ("run: guarded", "run: plain")
    }  # fmt: skip


def test_runs_on_other_clips_are_not_compared(run, simple, make_dataset, tmp_path):
    other = asdcore.run(simple, make_dataset(tmp_path / "data", test=5), tmp_path / "other", task="dcase2026")
    both = opened(run, other)
    assert [len(group) for group in comparable(both)] == [1, 1]
    assert {frozenset((one.first, one.second)) for one in compute_statistics(both).differences} == {
        frozenset(("run: guarded", "run: plain"))
    }


def test_every_report_is_a_look_that_the_ledger_shows(run):
    assert [opened(run)[0].looks for _ in range(3)] == [1, 2, 3]
    (ledger,) = ledger_excerpt(opened(run))
    assert (ledger["looks"], ledger["results"], len(ledger["rows"]), ledger["problems"]) == (4, 1, 4, [])


def test_a_ledger_that_is_gone_is_said_to_be(run):
    (subject,) = opened(run)
    shutil.rmtree(run.about["store"])
    (ledger,) = ledger_excerpt([subject])
    assert ledger["gone"]


def test_a_run_whose_data_are_gone_has_no_labels_and_says_so(fused, make_dataset, tmp_path):
    run = asdcore.run(fused, make_dataset(tmp_path / "data", ("fan",)), tmp_path / "run", task="dcase2026")
    shutil.rmtree(tmp_path / "data")
    (subject,) = opened(run)
    assert subject.labels is None
    assert len(subject.gaps) == 2
    assert "no longer at" in subject.gaps[0]
    assert "no labels" in subject.gaps[1]
    assert subject.clips["label"].null_count() == len(subject.clips)


def test_labels_that_were_named_and_do_not_fit_are_an_error(run, tmp_path):
    with pytest.raises(EvaluationError):
        opened(run, truth=tmp_path / "nothing")


def test_a_place_is_its_machine_where_that_has_one_section(run):
    assert places(opened(run)) == {("3DPrinter", "00"): "3DPrinter", ("fan", "00"): "fan"}
