"""asdcore.reporting.sections.thresholds: the part of a report that says what thresholds promise."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.errors import StoreError
from asdcore.reporting.reported_runs import open_subjects, places
from asdcore.reporting.sections.thresholds import promises


@pytest.fixture(scope="module")
def runs(recorded, tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("promises"), "auto", "clip")


def said_of(runs, *names):
    subjects = open_subjects([runs[name] for name in names], None, None, lambda _: None)
    return promises(subjects, places(subjects))


def test_the_table_has_every_rate_and_a_sentence_where_they_disagree(runs):
    said = said_of(runs, "auto")
    source = next(row for row in said["means"] if row["system"] == "one")
    assert (source["system"], source["domain"], source["nominal"]) == ("one", "source", "5.0")
    assert float(source["new"]) > 15
    assert float(source["came_one_by_one"]) > float(source["came"])
    (sentence,) = [
        line for line in said["sentences"] if line.startswith("one, source: neighbouring clips are near-dup")
    ]
    assert f"leave-one-out would promise 5.0 % false positives and give {source['new']} %" in sentence
    assert {row["place"] for row in said["rows"]} == {"fan"}
    assert said["notes"] == []
    assert [row["system"] for row in said["limits"]] == ["copy", "learned", "one"]


def test_several_runs_are_told_apart_and_one_that_left_clips_out_alone_is_advised(runs):
    said = said_of(runs, "auto", "clip")
    assert {row["system"] for row in said["means"]} == {f"{run}: {one}" for run in runs for one in ("learned", "one")}
    (sentence,) = [line for line in said["sentences"] if line.startswith("clip: one, source")]
    assert "near-duplicates: this run's leave-one-out promises 5.0 % false positives and would give" in sentence
    assert sentence.endswith('by = "auto" in the portfolio.')
    assert said["notes"] == []


def test_clips_that_nothing_is_known_of_are_a_note(runs, monkeypatch):
    monkeypatch.setattr("asdcore.reporting.sections.thresholds.side_by_side", lambda *_, **__: [])
    (note,) = said_of(runs, "clip")["notes"]
    assert note.startswith("clip: Every train normal was left out alone, so a promise counts clips.")


def test_a_store_that_is_gone_is_a_note(runs, monkeypatch):
    def gone(*_):
        raise StoreError("its features are gone.")

    monkeypatch.setattr("asdcore.evidence.false_alarms.side_by_side._left_out_alone", gone)
    assert said_of(runs, "auto")["notes"] == [
        "The promise of leave-one-out for auto is unknown: its features are gone."
    ]


def test_a_page_shows_it(runs, tmp_path):
    page = asdcore.report(runs["auto"], tmp_path / "page.html").read_text()
    start = page.index('<section id="promises">')
    shown = page[start : page.index("</section>", start)]
    for words in ("leave-one-out gives", "neighbouring clips are near-duplicates", "Thresholds that count groups"):
        assert words in shown
