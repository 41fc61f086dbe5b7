"""asdcore.evidence.decisions: false positives by domain, what can be promised, and two readings of one name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.decisions import FalsePositives
from asdcore.evidence.false_positives import clopper_pearson, target_false_positives
from asdcore.stages.decide import nominal_rate


@pytest.fixture(scope="module")
def run(make_dataset, tmp_path_factory):
    """A run of one machine: 40 source and 10 target train normals."""
    folder = tmp_path_factory.mktemp("decisions")
    data = make_dataset(folder / "data", ("fan",), source=40, target=10, test=4)
    (folder / "portfolio.toml").write_text(
        'name = "p"\n[branches.a]\nencoder = { name = "logmel", n_mels = 32 }\nscorer = "knn"\n'
        '[systems.one]\nweights = { a = 1.0 }\n[systems.two]\nweights = { a = 1.0 }\ntransform = "log1p"\n'
    )
    return asdcore.run(folder / "portfolio.toml", data, folder / "run", task="dcase2026", store=folder / "store")


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


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (3, 10), (10, 10), (47, 990)])
def test_clopper_pearson_is_exact(hits, n):
    low, high = clopper_pearson(hits, n)
    known = binomtest(hits, n).proportion_ci(method="exact")
    assert (low, high) == (pytest.approx(known.low, abs=1e-12), pytest.approx(known.high, abs=1e-12))
    if hits:
        assert binom.sf(hits - 1, n, low) == pytest.approx(0.025)
    if hits < n:
        assert binom.cdf(hits, n, high) == pytest.approx(0.025)


# --- the two readings ---


def cell(source, target, anomalies=(9.0,)):
    scores = np.array([*source, *target, *anomalies])
    labels = np.array([0] * (len(source) + len(target)) + [1] * len(anomalies))
    domains = np.array(["source"] * len(source) + ["target"] * len(target) + ["source"] * len(anomalies), dtype=object)
    return scores, labels, domains


def test_the_share_of_target_clips_among_the_top_tenth():
    source, target = np.arange(50.0), np.arange(50.0) + 40.5
    found = target_false_positives(*cell(source, target))
    assert found == {"target_fpr_at_threshold": None, "target_share_of_top_normals": 1.0}
    balanced = np.arange(0, 100.0)
    assert target_false_positives(*cell(balanced[::2], balanced[1::2]))["target_share_of_top_normals"] == 0.5
    # The top tenth of 100 normals is ten of them, of 11 it is two.
    assert target_false_positives(*cell(np.arange(10.0), [8.5]))["target_share_of_top_normals"] == 0.5


def test_the_rate_above_the_threshold_is_of_target_normals_alone():
    scores, labels, domains = cell([0.0, 5.0], [1.0, 6.0, 7.0, 2.0])
    found = target_false_positives(scores, labels, domains, scores > 4)
    assert found["target_fpr_at_threshold"] == 0.5


def test_ties_at_the_edge_share_what_is_left():
    scores, labels, domains = cell([1.0] * 30, [1.0] * 9 + [2.0])
    # Four of 40 normals: the one above, and three of the 39 that tie, of which 9 are target clips.
    assert target_false_positives(scores, labels, domains)["target_share_of_top_normals"] == pytest.approx(
        (1 + 3 * 9 / 39) / 4
    )
    order = np.random.default_rng(0).permutation(len(scores))
    again = target_false_positives(scores[order], labels[order], domains[order])
    assert again == target_false_positives(scores, labels, domains)


def test_without_target_normals_neither_exists():
    assert set(target_false_positives(*cell([1.0, 2.0], [])).values()) == {None}


def test_both_are_in_the_evaluation_under_their_own_names(run):
    (row,) = asdcore.evaluate(run, replicates=0).systems["one"].cells
    tested = run.decisions.filter(system="one").join(run.clips, on="clip")
    normal = tested.filter(tested["clip"].str.contains("target_test_normal"))
    assert row["target_fpr_at_threshold"] == normal["decision"].mean()
    assert 0 <= row["target_share_of_top_normals"] <= 1
