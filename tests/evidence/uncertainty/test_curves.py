"""asdcore.evidence.uncertainty.curves: weighted clips against a plain loop of scikit-learn over repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asdcore.evidence.metrics import cells, official_score, rule
from asdcore.evidence.uncertainty.curves import (
    BLOCK,
    cell_values,
    official_scores,
    official_scores_replaced,
    weighted_auc,
    weighted_pauc,
)

YEARS = range(2020, 2027)
LABELS = np.repeat([0, 0, 1, 1], [30, 12, 25, 14])
DOMAINS = np.array(["source"] * 30 + ["target"] * 12 + ["source"] * 25 + ["target"] * 14, dtype=object)


def drawn_weights(rng, replicates):
    """Draw clips with replacement within each domain and label."""
    weights = np.zeros((len(LABELS), replicates))
    for domain in ("source", "target"):
        for label in (0, 1):
            clips = np.flatnonzero((domain == DOMAINS) & (label == LABELS))
            for b in range(replicates):
                np.add.at(weights[:, b], rng.choice(clips, len(clips)), 1)
    return weights


def of_domain(rows, domain):
    return np.ones(len(rows), dtype=bool) if domain is None else DOMAINS[rows] == domain


def some_scores(rng, kind):
    scores = rng.normal(size=len(LABELS)) + LABELS
    return {"distinct": scores, "a few ties": np.round(scores, 1), "many ties": np.round(scores)}[kind]


@pytest.mark.parametrize("kind", ["distinct", "a few ties", "many ties"])
@pytest.mark.parametrize("year", YEARS)
def test_a_weight_is_that_many_rows(year, kind):
    rng = np.random.default_rng(year)
    scores, weights = some_scores(rng, kind), drawn_weights(rng, 8)
    found = cell_values(rule(year).cells, scores, LABELS.astype(bool), DOMAINS, weights)
    for b in range(weights.shape[1]):
        rows = np.repeat(np.arange(len(scores)), weights[:, b].astype(int))
        for k, cell in enumerate(rule(year).cells):
            normals = (LABELS[rows] == 0) & of_domain(rows, cell.normals)
            anomalies = (LABELS[rows] == 1) & of_domain(rows, cell.anomalies)
            used = rows[normals | anomalies]
            limit = 0.1 if cell.measure == "pauc" else None
            expected = roc_auc_score(LABELS[used], scores[used], max_fpr=limit)
            assert found[k, b] == pytest.approx(expected, abs=1e-12)


def test_weights_need_not_be_whole():
    rng = np.random.default_rng(0)
    scores, weights = some_scores(rng, "a few ties"), rng.uniform(0.1, 3, (len(LABELS), 20))
    normals, anomalies = LABELS == 0, LABELS == 1
    parts = scores[anomalies], scores[normals], weights[anomalies], weights[normals]
    for b, (auc, pauc) in enumerate(zip(weighted_auc(*parts), weighted_pauc(*parts, max_fpr=0.23), strict=True)):
        weighted = {"sample_weight": weights[:, b]}
        assert auc == pytest.approx(roc_auc_score(LABELS, scores, **weighted), abs=1e-12)
        assert pauc == pytest.approx(roc_auc_score(LABELS, scores, max_fpr=0.23, **weighted), abs=1e-12)


@pytest.mark.parametrize("year", YEARS)
def test_ones_give_the_cells_themselves(year):
    scores = some_scores(np.random.default_rng(year), "a few ties")
    found = cell_values(rule(year).cells, scores, LABELS.astype(bool), DOMAINS, np.ones((len(scores), 1)))
    assert found[:, 0] == pytest.approx(list(cells(scores, LABELS, DOMAINS, year).values()), abs=1e-14)


def test_constant_scores_are_chance_whichever_clips_count():
    weights = drawn_weights(np.random.default_rng(3), 5)
    for year in YEARS:
        found = cell_values(rule(year).cells, np.zeros(len(LABELS)), LABELS.astype(bool), DOMAINS, weights)
        assert found == pytest.approx(0.5, abs=1e-12)


def test_every_block_of_replicates_is_computed():
    rng = np.random.default_rng(1)
    scores, weights = some_scores(rng, "distinct"), rng.integers(0, 4, (len(LABELS), 2 * BLOCK + 7)).astype(float)
    arguments = rule(2026).cells, scores, LABELS.astype(bool), DOMAINS
    together = cell_values(*arguments, weights)
    alone = [cell_values(*arguments, weights[:, [b]])[:, 0] for b in (0, BLOCK - 1, BLOCK, 2 * BLOCK + 6)]
    assert np.array_equal(together[:, [0, BLOCK - 1, BLOCK, 2 * BLOCK + 6]].T, alone)


@pytest.mark.parametrize("kind", ["distinct", "a few ties", "many ties"])
def test_whole_weights_give_the_same_bits_in_single_precision(kind):
    rng = np.random.default_rng(4)
    scores, weights = some_scores(rng, kind), rng.integers(0, 60, (len(LABELS), 300)).astype(np.float32)
    for year in YEARS:
        arguments = rule(year).cells, scores, LABELS.astype(bool), DOMAINS
        assert np.array_equal(cell_values(*arguments, weights), cell_values(*arguments, weights.astype(np.float64)))


def test_a_replicate_without_clips_of_a_class_has_no_value():
    scores = some_scores(np.random.default_rng(2), "distinct")
    weights = np.ones((len(scores), 3))
    weights[(LABELS == 0) & (DOMAINS == "target"), 1] = 0
    weights[LABELS == 1, 2] = 0
    found = cell_values(rule(2026).cells, scores, LABELS.astype(bool), DOMAINS, weights)
    assert np.isnan(found).tolist() == [[False, False, True], [False, True, True], [False, False, True]]


@pytest.mark.parametrize("year", YEARS)
def test_the_official_score_of_every_replicate(year):
    rng = np.random.default_rng(year)
    machines, names = ["fan", "fan", "pump", "valve"], [cell.name for cell in rule(year).cells]
    values = rng.uniform(0, 1, (4, len(names), 50))
    values[1, 0, 7] = 0.0  # is raised to epsilon
    found = official_scores(values, machines, rule(year))
    for b in range(50):
        table = {
            (machine, f"{s:02d}"): dict(zip(names, values[s, :, b].tolist(), strict=True))
            for s, machine in enumerate(machines)
        }
        assert found[b] == pytest.approx(official_score(table, year), rel=1e-12)


@pytest.mark.parametrize("year", [2020, 2021, 2026])
@pytest.mark.parametrize("names", [["fan"], ["fan", "fan", "pump"], list("abcdefg")])
def test_official_scores_with_one_section_replaced_are_those_of_the_whole(year, names):
    draw = np.random.default_rng(len(names))
    values = draw.uniform(size=(len(names), len(rule(year).cells)))
    values[0, 0] = 0.0  # beside which nothing counts, as long as it is there
    replaced = [draw.uniform(size=(values.shape[1], 3 + i)) for i in range(len(names))]
    expected = []
    for i, of_section in enumerate(replaced):
        others = np.repeat(values[:, :, None], of_section.shape[1], axis=2)
        others[i] = of_section
        expected.append(official_scores(others, names, rule(year)))
    given = official_scores_replaced(values, replaced, names, rule(year))
    assert given == pytest.approx(np.concatenate(expected), rel=1e-13)
