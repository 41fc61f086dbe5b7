"""asdcore.evidence.false_alarms.decisions: false positives by domain, and what can be promised."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.false_alarms.decisions import FalsePositives
from asdcore.evidence.false_alarms.false_positives import clopper_pearson
from asdcore.stages.decide import nominal_rate


@pytest.fixture(scope="module")
def run(run_of):
    """A run of one machine: 40 source and 10 target train normals."""
    portfolio = (
        'name = "p"\n[branches.a]\nencoder = { name = "logmel", n_mels = 32 }\nscorer = "knn"\n'
        '[systems.one]\nweights = { a = 1.0 }\n[systems.two]\nweights = { a = 1.0 }\ntransform = "log1p"\n'
    )
    return run_of(portfolio, source=40, target=10, test=4)


def test_train_normals_above_the_threshold_are_counted_by_domain(run):
    found = asdcore.decisions(run, ["one"])
    assert [(one.system, one.machine, one.domain, one.normals) for one in found] == [
        ("one", "fan", "source", 40),
        ("one", "fan", "target", 10),
    ]
    normals = run.systems.filter(system="one", role="oof").join(run.clips, on="clip")
    threshold = run.decisions.filter(system="one")["threshold"][0]
    for one in found:
        scores = normals.filter(domain=one.domain)["score"].to_numpy()
        assert one.above == (scores > threshold).sum()
        assert one.ci95 == clopper_pearson(one.above, one.normals)
        assert one.nominal == pytest.approx(0.05)
    assert sum(one.above for one in found) == 2  # 50 normals, of which the 48th is the threshold
    assert [one.system for one in asdcore.decisions(run)] == ["one", "one", "two", "two"]


def test_decisions_are_a_list_and_a_table(run):
    counted = asdcore.decisions(run, ["one"])
    table = counted.to_polars()
    assert table["above"].to_list() == [entry.above for entry in counted]
    assert {"ci95_low", "ci95_high"} <= set(table.columns)


def test_no_label_is_needed(run):
    assert asdcore.ledger(run.folder.parent / "store").looks == []
    with pytest.raises(EvaluationError, match="has no system 'three'. It has one, two"):
        asdcore.decisions(run, ["three"])


def test_ten_clips_cannot_support_five_percent(run):
    source, target = asdcore.decisions(run, ["one"])
    assert target.smallest_attainable == pytest.approx(1 / 11)
    assert target.warning == (
        "10 target clips cannot support 5.0 %: the smallest rate that they can promise is 1/11 = 9.1 %."
    )
    assert target.warning in target.sentence
    assert source.warning is None
    assert target.as_json()["sentence"] == target.sentence


def test_nine_clips_support_ten_percent():
    """In floats 1 - 0.9 is below 0.1, and nine clips would be told that they cannot support it."""
    normals = FalsePositives("fan", "00", "one", "target", 9, 0, (0.0, 0.3), nominal_rate(0.9))
    assert normals.warning is None


@pytest.mark.parametrize(("above", "said"), [(2, "covers the 5.0 % aimed at"), (20, "excludes the 5.0 % aimed at")])
def test_the_sentence_says_whether_the_rate_is_as_aimed_at(above, said):
    one = FalsePositives("fan", "00", "A", "source", 40, above, clopper_pearson(above, 40), 0.05)
    assert said in one.sentence
    assert f"{above} of 40 source train normals are above ({100 * above / 40:.1f} %)" in one.sentence


def test_both_are_in_the_evaluation_under_their_own_names(run):
    (row,) = asdcore.evaluate(run, replicates=0).systems["one"].cells
    tested = run.decisions.filter(system="one").join(run.clips, on="clip")
    normal = tested.filter(tested["clip"].str.contains("target_test_normal"))
    assert row["target_fpr_at_threshold"] == normal["decision"].mean()
    assert 0 <= row["target_share_of_top_normals"] <= 1
