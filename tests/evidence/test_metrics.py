"""Official scores against brute force, scikit-learn, SciPy, and the laws they must obey."""

from __future__ import annotations

import ast
import itertools
import math
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from asdcore.errors import EvaluationError
from asdcore.evidence import metrics
from asdcore.evidence.metrics import (
    EPSILON,
    RULES,
    auc,
    cells,
    diagnostics,
    harmonic_mean,
    official_score,
    pauc,
    pauc_of_papers,
    precision_recall_f1,
    rule,
)

PAUC_FLOOR = 0.5 * (1 - 0.005 / 0.095)
YEARS = range(2020, 2027)


def brute_auc(scores, labels):
    pairs = [
        1.0 if anomaly > normal else 0.5 if anomaly == normal else 0.0
        for normal in scores[labels == 0]
        for anomaly in scores[labels == 1]
    ]
    return sum(pairs) / len(pairs)


def brute_pauc(scores, labels, max_fpr=0.1):
    """Walk down the thresholds one by one, adding trapezoids until the false positive rate reaches its limit."""
    normals, anomalies = scores[labels == 0], scores[labels == 1]
    area, x, y = 0.0, 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        new_x, new_y = float(np.mean(normals >= threshold)), float(np.mean(anomalies >= threshold))
        if new_x > max_fpr:
            at_limit = y + (new_y - y) * (max_fpr - x) / (new_x - x)
            area += (max_fpr - x) * (y + at_limit) / 2
            break
        area += (new_x - x) * (y + new_y) / 2
        x, y = new_x, new_y
    low, high = max_fpr**2 / 2, max_fpr
    return 0.5 * (1 + (area - low) / (high - low))


def random_case(seed):
    """Scores and labels; a third of the seeds have few distinct scores, a third clumps of ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 150))
    labels = rng.permutation(np.arange(n) < rng.integers(1, n)).astype(int)
    scores = rng.normal(size=n) + labels * rng.uniform(-1, 2)
    if seed % 3 == 1:
        scores = rng.integers(0, 4, n).astype(float)
    if seed % 3 == 2:
        scores = np.round(scores, 1)
    return scores, labels


@st.composite
def ranked(draw):
    """Draw integer scores, many of them tied, and labels of both classes."""
    n = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(-12, 12), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda drawn: 0 < sum(drawn) < n))
    return np.array(scores, dtype=float), np.array(labels)


@st.composite
def sections(draw):
    """Draw the scores, labels and domains of a section whose cells exist in every year."""
    n = draw(st.integers(0, 30))
    kinds = [(0, "source"), (0, "target"), (1, "source"), (1, "target")]
    kinds += draw(st.lists(st.sampled_from(kinds), min_size=n, max_size=n))
    scores = draw(st.lists(st.integers(-8, 8), min_size=n + 4, max_size=n + 4))
    labels, domains = zip(*kinds, strict=True)
    return np.array(scores, dtype=float), np.array(labels), np.array(domains)


unit = st.floats(0.01, 1)


def law(*strategies):
    """Like hypothesis.given, but a busy machine is no failure."""
    return lambda test: settings(deadline=None, max_examples=60)(given(*strategies)(test))


# --- AUC and pAUC against other implementations ---


@pytest.mark.parametrize("seed", range(200))
def test_equals_brute_force_and_scikit_learn(seed):
    scores, labels = random_case(seed)
    assert auc(scores, labels) == pytest.approx(brute_auc(scores, labels), abs=1e-12)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    for max_fpr in (0.1, 0.05, 0.37, 1.0):
        assert pauc(scores, labels, max_fpr) == pytest.approx(brute_pauc(scores, labels, max_fpr), abs=1e-12)
        assert pauc(scores, labels, max_fpr) == pytest.approx(roc_auc_score(labels, scores, max_fpr=max_fpr), abs=1e-12)


def test_auc_by_hand():
    # pairs of anomalies (2, 3, 3) and normals (1, 2, 3): 1 + 1/2 + 0, and twice 1 + 1 + 1/2
    assert auc([1, 2, 3, 2, 3, 3], [0, 0, 0, 1, 1, 1]) == 6.5 / 9


def test_pauc_by_hand():
    # ten normals, two anomalies, one of them above all normals: up to FPR 0.1 the curve is flat at 1/2
    scores = [*range(10), 20, -1]
    labels = [0] * 10 + [1, 1]
    assert pauc(scores, labels) == pytest.approx(0.5 * (1 + (0.05 - 0.005) / 0.095), abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), max_fpr=st.sampled_from([0.1, 0.29, 0.5, 1.0]))
def test_the_pauc_of_the_papers_is_their_sum(seed, max_fpr):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(10, 120)), int(rng.integers(1, 30))
    normals, anomalies = (np.round(rng.normal(mean, 1, size) * 4) for mean, size in ((0, n), (1, m)))
    top = round(max_fpr * 100) * n // 100
    total = sum(anomaly > normal for normal in sorted(normals)[-top:] for anomaly in anomalies)
    scores, labels = np.concatenate([normals, anomalies]), np.repeat([0, 1], [n, m])
    order = rng.permutation(n + m)
    assert pauc_of_papers(scores[order], labels[order], max_fpr) == pytest.approx(total / (top * m), abs=1e-15)


def test_the_pauc_of_the_papers_needs_a_normal_that_counts():
    with pytest.raises(EvaluationError, match=r"needs 10 normal clips; found 9\."):
        pauc_of_papers([*range(9), 9], [0] * 9 + [1])
    assert pauc_of_papers([*range(10), 10], [0] * 10 + [1]) == 1.0


def test_pauc_interpolates_where_no_normal_falls_on_the_limit():
    # four normals: the curve is known at FPR 0 (1/2 of the anomalies) and at 0.25 (all), and a line lies between
    scores = [1, 2, 3, 5, 6, 5]
    labels = [0, 0, 0, 0, 1, 1]
    area = 0.1 * (0.5 + (0.5 + 0.5 * 0.1 / 0.25)) / 2
    assert pauc(scores, labels) == pytest.approx(0.5 * (1 + (area - 0.005) / 0.095), abs=1e-15)


# --- the laws ---


@law(ranked())
@pytest.mark.parametrize(
    "increasing",
    [lambda x: 3 * x + 2, lambda x: np.exp(x / 7), lambda x: x**3, lambda x: np.unique(x, return_inverse=True)[1]],
)
def test_only_the_order_of_scores_matters(increasing, case):
    scores, labels = case
    assert auc(increasing(scores), labels) == auc(scores, labels)
    assert pauc(increasing(scores), labels) == pauc(scores, labels)


@law(ranked())
def test_turning_scores_round_mirrors_auc(case):
    scores, labels = case
    assert auc(-scores, labels) == pytest.approx(1 - auc(scores, labels), abs=1e-15)
    assert auc(scores, 1 - labels) == pytest.approx(1 - auc(scores, labels), abs=1e-15)
    assert pauc(-scores, labels) == pytest.approx(brute_pauc(-scores, labels), abs=1e-12)


@law(ranked(), st.randoms())
def test_the_order_of_clips_does_not_matter(case, random):
    scores, labels = case
    order = list(range(len(scores)))
    random.shuffle(order)
    assert auc(scores[order], labels[order]) == auc(scores, labels)
    assert pauc(scores[order], labels[order]) == pauc(scores, labels)


@law(st.integers(1, 300), st.integers(1, 300), st.floats(-1e6, 1e6))
def test_constant_scores_are_chance(normals, anomalies, score):
    labels = [0] * normals + [1] * anomalies
    assert auc([score] * len(labels), labels) == 0.5
    assert pauc([score] * len(labels), labels) == pytest.approx(0.5, abs=1e-15)


@law(st.integers(1, 50), st.integers(1, 50))
def test_perfect_separation_is_one_and_its_reverse_the_floor(normals, anomalies):
    scores = np.arange(normals + anomalies)
    labels = (scores >= normals).astype(int)
    assert auc(scores, labels) == 1
    assert pauc(scores, labels) == pytest.approx(1, abs=1e-15)
    assert auc(-scores, labels) == 0
    assert pauc(-scores, labels) == pytest.approx(PAUC_FLOOR, abs=1e-15)


@law(ranked())
def test_values_stay_in_their_range(case):
    assert 0 <= auc(*case) <= 1
    assert PAUC_FLOOR - 1e-12 <= pauc(*case) <= 1 + 1e-12


@law(st.integers(1, 30), st.integers(0, 30), st.integers(1, 30), st.integers(0, 30))
def test_two_levels_have_a_closed_form(normals_low, normals_high, anomalies_high, anomalies_low):
    scores = np.array([0] * normals_low + [1] * normals_high + [1] * anomalies_high + [0] * anomalies_low)
    labels = np.array([0] * (normals_low + normals_high) + [1] * (anomalies_high + anomalies_low))
    fpr = normals_high / (normals_low + normals_high)
    tpr = anomalies_high / (anomalies_low + anomalies_high)
    assert auc(scores, labels) == pytest.approx((1 + tpr - fpr) / 2, abs=1e-14)


def test_a_tie_is_the_mean_of_all_ways_to_break_it():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, 60).astype(float)
    labels = (np.arange(60) < 25).astype(int)
    # pAUC cuts a tie that straddles its limit along the straight line, so its limit is put between two ties
    limit = np.mean(scores[labels == 0] >= 4)
    assert 0 < limit < 1
    for measure in (auc, lambda scores, labels: pauc(scores, labels, limit)):
        broken = [measure(scores + rng.uniform(0, 0.5, 60), labels) for _ in range(2000)]
        error = np.std(broken) / math.sqrt(len(broken))
        assert 0 < error < 0.01
        assert abs(np.mean(broken) - measure(scores, labels)) < 3 * error


def test_shuffled_labels_average_to_chance():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=60), (np.arange(60) < 20).astype(int)
    shuffled = [auc(scores, rng.permutation(labels)) for _ in range(2000)]
    assert abs(np.mean(shuffled) - 0.5) < 3 * np.std(shuffled) / math.sqrt(len(shuffled))


@law(sections())
def test_domains_weigh_in_the_pooled_auc_by_their_normals(case):
    scores, labels, domains = case
    official = cells(scores, labels, domains, 2023)
    weights = [np.sum((labels == 0) & (domains == domain)) for domain in ("source", "target")]
    pooled = diagnostics(scores, labels, domains, 2023)["auc_pooled"]
    assert np.average([official["auc_source"], official["auc_target"]], weights=weights) == pytest.approx(
        pooled, abs=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_with_equal_domains_the_pooled_auc_is_the_mean_of_the_official_two(seed):
    rng = np.random.default_rng(seed)
    labels, domains = np.repeat([0, 0, 1, 1], 50), np.tile(np.repeat(["source", "target"], 50), 2)
    scores = np.round(rng.normal(size=200) + labels * rng.uniform(0, 2) + (domains == "target"), 1)
    official = cells(scores, labels, domains, 2026)
    pooled = diagnostics(scores, labels, domains, 2026)["auc_pooled"]
    assert (official["auc_source"] + official["auc_target"]) / 2 == pytest.approx(pooled, abs=1e-12)
    assert pooled == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


# --- means ---


@law(st.lists(st.floats(1e-9, 1), min_size=1, max_size=30))
def test_harmonic_mean_equals_scipy_and_is_at_most_the_arithmetic_mean(values):
    assert harmonic_mean(values) == pytest.approx(hmean(values), rel=1e-12)
    assert harmonic_mean(values) <= np.mean(values) * (1 + 1e-12)


def test_a_zero_is_raised_to_epsilon():
    assert sys.float_info.epsilon == EPSILON
    assert harmonic_mean([0.0]) == EPSILON
    assert harmonic_mean([0.0, 1.0, 1.0]) == pytest.approx(3 * EPSILON, rel=1e-12)


def test_no_values_have_no_mean():
    with pytest.raises(EvaluationError, match="no values"):
        harmonic_mean([])


@law(st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=6), st.data())
def test_the_official_score_grows_with_every_cell(rows, data):
    machine = data.draw(st.integers(0, len(rows) - 1))
    cell = data.draw(st.sampled_from(["auc_source", "auc_target", "pauc"]))
    table = {
        (f"m{i}", "00"): dict(zip(["auc_source", "auc_target", "pauc"], row, strict=True)) for i, row in enumerate(rows)
    }
    before = official_score(table, 2024)
    table[f"m{machine}", "00"][cell] += 0.05
    assert official_score(table, 2024) > before
    assert before <= np.mean([value for row in rows for value in row]) * (1 + 1e-12)


# --- decisions ---


@law(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_precision_recall_f1_equal_scikit_learn(pairs):
    decisions, labels = zip(*pairs, strict=True)
    expected = precision_recall_fscore_support(labels, decisions, average="binary", zero_division=0.0)[:3]
    assert precision_recall_f1(decisions, labels) == pytest.approx(expected, abs=1e-15)


def test_nothing_flagged_is_zero():
    assert precision_recall_f1([0, 0, 0], [0, 1, 1]) == (0, 0, 0)


def test_decisions_by_hand():
    assert precision_recall_f1([1, 1, 1, 0], [1, 0, 0, 1]) == pytest.approx((1 / 3, 1 / 2, 2 / 5))


# --- the rules of the years ---

SCORES = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], dtype=float)[[6, 0, 3, 9, 5, 1, 4, 2, 11, 8, 7, 10]]
LABELS = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1])
DOMAINS = np.array(["source"] * 6 + ["target"] * 6)


def chosen(*groups):
    """Keep the clips of (label, domain) groups; a domain of None is both."""
    mask = np.zeros(len(LABELS), dtype=bool)
    for label, domain in groups:
        mask |= (label == LABELS) & ((domain == DOMAINS) if domain else True)
    return LABELS[mask], SCORES[mask]


def test_2020_sets_all_normals_against_all_anomalies():
    expected = {"auc": roc_auc_score(LABELS, SCORES), "pauc": roc_auc_score(LABELS, SCORES, max_fpr=0.1)}
    assert cells(SCORES, LABELS, None, 2020) == pytest.approx(expected)
    assert diagnostics(SCORES, LABELS, None, 2020) == pytest.approx({"auc_pooled": expected["auc"]})


def test_2021_keeps_the_domains_apart():
    expected = {
        f"{name}_{domain}": roc_auc_score(*chosen((0, domain), (1, domain)), max_fpr=limit)
        for name, limit in (("auc", None), ("pauc", 0.1))
        for domain in ("source", "target")
    }
    assert cells(SCORES, LABELS, DOMAINS, 2021) == pytest.approx(expected)
    assert list(cells(SCORES, LABELS, DOMAINS, 2021)) == ["auc_source", "auc_target", "pauc_source", "pauc_target"]


@pytest.mark.parametrize("year", range(2022, 2027))
def test_since_2022_a_domains_normals_meet_all_anomalies(year):
    expected = {
        "auc_source": roc_auc_score(*chosen((0, "source"), (1, None))),
        "auc_target": roc_auc_score(*chosen((0, "target"), (1, None))),
        "pauc": roc_auc_score(LABELS, SCORES, max_fpr=0.1),
    }
    assert cells(SCORES, LABELS, DOMAINS, year) == pytest.approx(expected)
    assert list(cells(SCORES, LABELS, DOMAINS, year)) == ["auc_source", "auc_target", "pauc"]


@pytest.mark.parametrize("year", range(2021, 2027))
def test_same_domain_aucs_have_names_of_their_own(year):
    expected = {
        "auc_same_domain_source": roc_auc_score(*chosen((0, "source"), (1, "source"))),
        "auc_same_domain_target": roc_auc_score(*chosen((0, "target"), (1, "target"))),
        "auc_pooled": roc_auc_score(LABELS, SCORES),
    }
    assert diagnostics(SCORES, LABELS, DOMAINS, year) == pytest.approx(expected)
    assert expected["auc_same_domain_source"] != pytest.approx(cells(SCORES, LABELS, DOMAINS, 2022)["auc_source"])


@law(sections(), st.integers(2020, 2026), st.randoms())
def test_cells_do_not_depend_on_the_order_of_clips(case, year, random):
    scores, labels, domains = case
    order = list(range(len(scores)))
    random.shuffle(order)
    assert cells(scores[order], labels[order], domains[order], year) == cells(scores, labels, domains, year)


def test_the_official_score_of_2020_is_a_mean_of_machine_means():
    table = {
        ("fan", "00"): {"auc": 0.9, "pauc": 0.7},
        ("fan", "02"): {"auc": 0.7, "pauc": 0.5},
        ("ToyCar", "01"): {"auc": 0.6, "pauc": 0.5},
    }
    assert official_score(table, 2020) == pytest.approx(((0.8 + 0.6) / 2 + (0.6 + 0.5) / 2) / 2, rel=1e-15)


def test_the_official_score_of_2021_is_the_harmonic_mean_of_all_four_cells():
    values = itertools.count(1)
    names = ["auc_source", "auc_target", "pauc_source", "pauc_target"]
    table = {(machine, nn): {name: next(values) / 20 for name in names} for machine in "ab" for nn in ("00", "01")}
    assert official_score(table, 2021) == pytest.approx(16 / sum(20 / k for k in range(1, 17)), rel=1e-14)


def test_cells_that_are_not_of_the_year_do_not_count():
    row = {"auc_source": 0.8, "auc_target": 0.6, "pauc": 0.5}
    assert official_score({("fan", "00"): {**row, "auc_pooled": 0.1}}, 2022) == official_score(
        {("fan", "00"): row}, 2022
    )


def test_every_year_has_rules_and_no_other():
    assert list(RULES) == list(YEARS)
    with pytest.raises(EvaluationError, match=r"year 2019\. Known: 2020, 2021, .*2026"):
        rule(2019)


# The percentages that the organisers published for the two baselines, rounded to two digits; 100 normals and 100
# anomalies for each machine, so the AUC is a multiple of 1/5000 and the pAUC of 1/1900, and the digits say which one.
PUBLISHED = {
    (2024, "MSE", 0.5650830191796572): (
        [79.12, 65.00, 69.16, 76.58, 86.02, 62.24, 75.04, 65.96, 70.70],
        [47.96, 48.24, 53.74, 52.66, 43.88, 45.98, 69.48, 41.52, 63.52],
        [49.42, 55.47, 50.11, 50.00, 50.21, 51.63, 52.74, 51.16, 55.58],
    ),
    (2024, "MAHALA", 0.5648933421610234): (
        [75.44, 66.10, 56.84, 67.94, 83.88, 60.60, 65.56, 58.34, 80.32],
        [42.40, 55.50, 55.50, 44.64, 46.40, 58.98, 57.90, 42.50, 73.38],
        [50.84, 60.79, 49.26, 49.21, 58.00, 55.11, 48.37, 51.79, 59.05],
    ),
    (2026, "MSE", 0.5980289616592438): (
        [71.26, 59.02, 64.84, 69.48, 67.14],
        [46.80, 64.34, 61.42, 88.38, 44.02],
        [55.11, 59.79, 58.11, 61.79, 50.89],
    ),
    (2026, "MAHALA", 0.5476277174340481): (
        [72.76, 43.98, 60.34, 67.66, 69.80],
        [54.28, 39.40, 43.76, 87.20, 45.10],
        [59.26, 52.79, 50.58, 63.89, 49.47],
    ),
}


def unrounded(percent, step, start=0.0):
    """Return the one multiple of ``step`` above ``start`` that rounds to ``percent``."""
    value = start + round((percent / 100 - start) / step) * step
    assert round(100 * value, 2) == percent
    return value


@pytest.mark.parametrize(("key", "columns"), PUBLISHED.items(), ids=lambda one: "-".join(map(str, one[:2])))
def test_published_totals(key, columns):
    year, _, total = key
    table = {
        (f"machine {i}", "00"): {
            "auc_source": unrounded(source, 1 / 5000),
            "auc_target": unrounded(target, 1 / 5000),
            "pauc": unrounded(partial, 1 / 1900, PAUC_FLOOR),
        }
        for i, (source, target, partial) in enumerate(zip(*columns, strict=True))
    }
    assert official_score(table, year) == pytest.approx(total, abs=1e-12)
    by_column = [harmonic_mean([row[name] for row in table.values()]) for name in ("auc_source", "auc_target", "pauc")]
    assert official_score(table, year) == pytest.approx(3 / sum(1 / one for one in by_column), rel=1e-14)
    aucs = harmonic_mean([row[name] for row in table.values() for name in ("auc_source", "auc_target")])
    assert official_score(table, year) == pytest.approx(3 / (2 / aucs + 1 / by_column[2]), rel=1e-14)


# --- what cannot be computed ---


def test_a_domain_without_normals_names_the_cell_that_lacks_them():
    keep = ~((LABELS == 0) & (DOMAINS == "target"))
    message = r"^Among 9 clips there are no normal clips of domain target \(needed by auc_target\)\.$"
    with pytest.raises(EvaluationError, match=message):
        cells(SCORES[keep], LABELS[keep], DOMAINS[keep], 2023)


def test_a_section_without_anomalies_names_every_cell():
    keep = LABELS == 0
    message = r"no anomalous clips \(needed by auc_source, auc_target, pauc\)"
    with pytest.raises(EvaluationError, match=message):
        cells(SCORES[keep], LABELS[keep], DOMAINS[keep], 2023)


def test_2021_needs_anomalies_of_each_domain_and_later_years_do_not():
    keep = ~((LABELS == 1) & (DOMAINS == "source"))
    case = SCORES[keep], LABELS[keep], DOMAINS[keep]
    with pytest.raises(
        EvaluationError, match=r"no anomalous clips of domain source \(needed by auc_source, pauc_source\)"
    ):
        cells(*case, 2021)
    assert set(cells(*case, 2022)) == {"auc_source", "auc_target", "pauc"}
    assert diagnostics(*case, 2022)["auc_same_domain_source"] is None
    assert diagnostics(*case, 2022)["auc_same_domain_target"] is not None


@pytest.mark.parametrize("year", range(2021, 2027))
def test_unknown_domains_are_refused_since_2021(year):
    with pytest.raises(EvaluationError, match="No domains are given; only the rules of 2020"):
        cells(SCORES, LABELS, None, year)
    domains = np.array([None, "near", *DOMAINS[2:]], dtype=object)
    with pytest.raises(EvaluationError, match="domain of some clips is None, near; the rules allow source and target"):
        cells(SCORES, LABELS, domains, year)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("measure", [auc, pauc])
def test_scores_must_be_finite(measure, bad):
    with pytest.raises(EvaluationError, match="1 of 3 scores are not finite"):
        measure([1.0, bad, 2.0], [0, 1, 1])


@pytest.mark.parametrize("measure", [auc, pauc])
def test_one_class_has_no_curve(measure):
    with pytest.raises(EvaluationError, match="found 0 normal, 2 anomalous"):
        measure([1.0, 2.0], [1, 1])
    with pytest.raises(EvaluationError, match="found 2 normal, 0 anomalous"):
        measure([1.0, 2.0], [0, 0])


@pytest.mark.parametrize("labels", [[0, 2], [0.0, 0.7], [0.0, math.nan], ["0", "1"], [0, None]])
def test_labels_must_be_zeros_and_ones(labels):
    with pytest.raises(EvaluationError, match=r"The labels hold (?!np\.).* allowed are the numbers 0 and 1"):
        auc([1.0, 2.0], labels)
    with pytest.raises(EvaluationError, match="The decisions hold"):
        precision_recall_f1(labels, [0, 1])


def test_arrays_must_be_of_one_length():
    with pytest.raises(EvaluationError, match=r"scores \(3,\), labels \(2,\)"):
        auc([1.0, 2.0, 3.0], [0, 1])
    with pytest.raises(EvaluationError, match=r"scores \(2,\), domains \(1,\)"):
        cells([1.0, 2.0], [0, 1], ["source"], 2024)
    with pytest.raises(EvaluationError, match=r"decisions \(2,\), labels \(1,\)"):
        precision_recall_f1([0, 1], [1])


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.5])
def test_max_fpr_must_be_a_rate(max_fpr):
    with pytest.raises(ValueError, match="max_fpr is"):
        pauc([1.0, 2.0], [0, 1], max_fpr)


def test_the_official_score_says_which_cell_is_missing():
    with pytest.raises(
        EvaluationError, match=r"fan section 00 has no auc_target, pauc; the rules of 2025 need auc_source"
    ):
        official_score({("fan", "00"): {"auc_source": 0.5}}, 2025)
    with pytest.raises(EvaluationError, match="without a machine"):
        official_score({}, 2025)


# --- the module itself ---


def test_numpy_is_its_only_third_party_import():
    tree = ast.parse(Path(metrics.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    third_party = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"asdcore"}
    assert third_party == {"numpy"}


def test_nine_machines_of_200_clips_take_well_under_a_tenth_of_a_second():
    rng = np.random.default_rng(0)
    labels, domains = np.repeat([0, 1], 100), np.tile(np.repeat(["source", "target"], 50), 2)
    scores = rng.normal(size=(9, 200)) + labels
    times = []
    for _ in range(5):
        start = time.process_time()
        table = {(f"m{i}", "00"): cells(row, labels, domains, 2024) for i, row in enumerate(scores)}
        for row in scores:
            diagnostics(row, labels, domains, 2024)
        official_score(table, 2024)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
