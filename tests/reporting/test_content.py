"""What a page says: the headline follows from the evidence, costs and origin are those of the run."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.evidence.uncertainty import Difference, Interval
from asdcore.preflight.complexity import complexity
from asdcore.reporting.content import _official
from asdcore.reporting.reported_runs import open_subjects
from asdcore.reporting.sections.cost import costs
from asdcore.reporting.sections.provenance import origin
from asdcore.reporting.sections.summary import headline, listed, matrix, percent
from asdcore.reporting.statistics import Statistics

PLACES = {("fan", "00"): "fan", ("valve", "00"): "valve"}


@pytest.fixture(scope="module")
def subject(make_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")
    data = make_dataset(folder / "data", ("fan",))
    run = asdcore.run("logmel-knn", data, folder / "run", task="dcase2026", store=folder / "store")
    return open_subjects([run], None, None, lambda _: None)[0]


def interval(estimate):
    return Interval(estimate, estimate - 0.02, estimate + 0.03, "bca")


def difference(first, second, estimate, p):
    return Difference(first, second, estimate, interval(estimate), p, p, 0.04, 0.0143)


def cell(system, machine, value):
    where = {"machine": machine, "section": "00", "system": system, "cell": "pAUC"}
    return where | {"estimate": value, "low": value - 5, "high": value + 5}


STATISTICS = Statistics(
    {"A": interval(0.7), "B": interval(0.69), "C": interval(0.5)},
    [cell("A", "fan", 60.0), cell("A", "valve", 55.0), cell("C", "fan", 10.0)],
    [difference("A", "B", 0.01, 0.4), difference("A", "C", 0.2, 0.003), difference("B", "C", 0.19, 0.003)],
)


def test_the_headline_says_the_best_whom_it_beats_whom_not_and_its_weakest_cell(subject):
    said = headline(STATISTICS, [subject], PLACES)
    assert said[0] == "A has an official score of 70.0 (95 % interval 68.0 to 73.0), the highest of 3 systems."
    assert said[1] == "It is better than C by more than chance explains."
    assert said[2].startswith("It does not differ significantly from B: a difference below about 4.0 points")
    assert said[3] == "Its weakest cell is the pAUC of valve: 55.0 (50.0 to 60.0)."
    assert "looked at 1 time, this report included" in said[4]


def test_a_system_without_a_weak_cell_is_told_what_that_is_worth(subject):
    perfect = Statistics({"A": interval(1.0)}, [cell("A", "fan", 100.0)], [])
    assert headline(perfect, [subject], PLACES)[1].startswith("All its cells are 100: test clips as easy as these do")


def test_the_matrix_is_ordered_by_score_and_mirrors_itself():
    rows = matrix(STATISTICS)
    assert [row["system"] for row in rows] == ["A", "B", "C"]
    points = [[one["points"] for one in row["cells"]] for row in rows]
    assert points == [["", "+1.0", "+20.0"], ["-1.0", "", "+19.0"], ["-20.0", "-19.0", ""]]
    verdicts = [one["verdict"] for one in rows[2]["cells"]]
    assert verdicts == ["worse", "worse", "none"]
    assert rows[0]["cells"][1]["verdict"] == "even"


def test_the_chart_rounds_a_score_as_the_headline_does():
    """68.7498 is 68.7: rounded to 68.75 before, it would be drawn as 68.8."""
    statistics = Statistics({"A": interval(0.687498)}, [], [])
    (row,) = _official(statistics)
    assert f"{row['score']:.1f}" == percent(statistics.official["A"]).partition(" ")[0] == "68.7"


def test_systems_on_other_clips_are_not_set_against_each_other():
    rows = matrix(Statistics(STATISTICS.official, STATISTICS.cells, STATISTICS.differences[:1]))
    assert [one["verdict"] for one in rows[0]["cells"]] == ["none", "even", "none"]


def test_without_labels_the_headline_says_what_the_report_is(subject):
    first, called = headline(Statistics({}, [], []), [subject], PLACES)
    assert first == "There are no labels: this report shows scores, not how good they are."
    decisions = subject.run.decisions
    assert f" calls {decisions['decision'].sum()} of {len(decisions)} test clips anomalous" in called


@pytest.mark.parametrize(("names", "said"), [(["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")])
def test_names_are_listed_as_a_person_would(names, said):
    assert listed(names) == said


def test_a_system_costs_what_complexity_counts_and_the_run_took(subject):
    rows, notes = costs(subject)
    ((name, total),) = complexity(subject.plan).systems.items()
    assert [(row["system"], row["macs"], row["parameters"]) for row in rows] == [
        (name, total.submitted["macs"], total.submitted["total_parameters"])
    ]
    assert rows[0]["seconds"] == pytest.approx(sum(subject.run.about["seconds"].values()), abs=0.01)
    assert any("logmel" in note for note in notes)


def test_what_cannot_be_counted_is_said_and_has_no_number(subject, monkeypatch):
    def refuse(plan):
        raise asdcore.ResourceError("the checkpoint is not here.")

    monkeypatch.setattr("asdcore.reporting.sections.cost.complexity", refuse)
    rows, notes = costs(subject)
    assert (rows[0]["macs"], rows[0]["parameters"]) == (None, None)
    assert notes == [f"Counting the MACs of {subject.name} failed here: the checkpoint is not here."]


def test_origin_names_every_digest_of_the_run(subject):
    facts = dict(origin(subject)["facts"])
    about = subject.run.about
    assert facts["data digest"] == about["data_digest"]
    assert facts["portfolio digest"] == about["portfolio_digest"]
    assert {facts[f"table {name}"] for name in about["tables"]} == set(about["tables"].values())
    assert f"numpy {about['libraries']['numpy']}" in facts["libraries"]
