"""asdcore.evidence.selection.candidates: systems of several runs, on the same clips or not at all."""

from __future__ import annotations

import shutil

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.ledger import read_ledger
from asdcore.evidence.selection.candidates import open_candidates, places_of

TWO = {"fan": 1.0, "valve": 1.0}


def test_candidates_are_named_by_system_or_by_run_and_system(make_run):
    a, b = make_run("a", {"S": TWO, "R": TWO}), make_run("b", {"S": TWO})
    assert list(places_of([a])) == ["R", "S"]
    assert list(places_of([b, a.folder])) == ["b/S", "a/R", "a/S"]
    assert list(places_of([a, b], ["b/S", "a/R"])) == ["b/S", "a/R"]


def test_runs_with_folders_of_one_name_are_told_apart_by_what_lies_above(make_run, tmp_path):
    folders = [tmp_path / "apart" / name for name in ("a/first", "b/first", "b/second")]
    for folder in folders:
        shutil.copytree(make_run(folder.parent.name + folder.name, {"S": TWO}).folder, folder)
    assert list(places_of(folders)) == ["a/first/S", "b/first/S", "second/S"]


def test_runs_come_one_by_one_or_in_lists(make_run):
    a, b = make_run("a", {"S": TWO}), make_run("b", {"S": TWO})
    assert list(places_of([[a, b.folder]])) == list(places_of([a, b]))
    assert list(places_of(a)) == ["S"]


def test_what_cannot_be_named_is_refused(make_run):
    a = make_run("a", {"S": TWO})
    for runs, only, said in (([], None, "nothing to choose among"), ([a, a.folder], None, "is given twice"),
                             ([a], ["T"], "No system of these runs is named 'T'")):  # fmt: skip
        with pytest.raises(EvaluationError, match=said):
            places_of(runs, only)


def test_scores_are_those_of_evaluate(make_run):
    a = make_run("a", {"S": {"fan": 1.0, "valve": 0.2}, "R": TWO})
    found = open_candidates(places_of([a]))
    official = asdcore.evaluate(a).systems
    assert {name: found.score(name) for name in found.names} == {
        name: one.official_score for name, one in official.items()
    }
    assert found.score("S", ["fan"]) != found.score("S", ["valve"])
    assert set(found.cells("S", ["fan"])) == {("fan", "00")}


def test_of_equals_the_first_is_best(make_run):
    found = open_candidates(places_of([make_run("a", {"S": TWO, "R": TWO})]))
    assert found.best(lambda _: 0.5) == "R"


def test_runs_on_other_recordings_are_refused(make_run):
    a, b = make_run("a", {"S": TWO}), make_run("b", {"S": TWO}, n=19, data="fewer")
    with pytest.raises(EvaluationError, match=r"different test clips: 8 are not in both, such as fan/test/section_00"):
        open_candidates(places_of([a, b]))


def test_a_look_is_recorded_for_every_run_with_its_own_systems(make_run, tmp_path):
    a, b = make_run("a", {"S": TWO, "R": TWO}), make_run("b", {"S": TWO})
    found = open_candidates(places_of([a, b]))
    assert found.record("lomo over", "one of them transfers") == 2
    looks = read_ledger(tmp_path / "store" / "looks.jsonl").looks
    assert [look.entry["what"] for look in looks] == ["lomo over a", "lomo over b"]
    assert [sorted(look.entry["results"]) for look in looks] == [["R", "S"], ["S"]]
    assert [look.entry["evaluated"] for look in looks] == [run.about["tables"]["systems"] for run in (a, b)]
    assert {look.entry["hypothesis"] for look in looks} == {"one of them transfers"}
