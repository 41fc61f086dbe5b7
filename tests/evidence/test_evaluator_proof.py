"""The evaluator's own proof: nine properties, of whole tables of scores, under the rules of every year 2020-2026.

The first four are those that a careful report on the challenge names (monotone transforms, sign inversion, ties, a
trusted implementation); the rest bind the official score to its definition. What single functions do with ties, small
classes and wrong input is in test_metrics.py, files and names in test_evaluate.py.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import hmean, rankdata
from sklearn.metrics import roc_auc_score

from asdcore.evidence.evaluations.evaluate import evaluate_table
from asdcore.evidence.metrics import rule

YEARS = range(2020, 2027)
MACHINES = ("fan", "pump", "valve")
SECTIONS = ("00", "01")
FLOOR = 0.5 * (1 - 0.005 / 0.095)
"""Standardised pAUC of a ranking turned round."""

every_year = pytest.mark.parametrize("year", YEARS)


def joined(seed, *, digits=1, normals=(17, 9), anomalies=(11, 8), shift=0.8):
    """Two sections of three machines; scores of ``digits`` decimals are full of ties. Sizes are source, target."""
    rng, parts = np.random.default_rng(seed), []
    labels = np.repeat([0, 0, 1, 1], [*normals, *anomalies])
    domains = np.repeat(["source", "target", "source", "target"], [*normals, *anomalies])
    for machine in MACHINES:
        for section in SECTIONS:
            scores = np.round(rng.normal(size=len(labels)) + shift * labels, digits)
            frame = {"machine": machine, "section": section, "system": "S", "score": scores}
            names = [f"{i:04d}.wav" for i in rng.permutation(len(labels))]
            parts.append(pl.DataFrame({**frame, "clip": names, "label": labels, "domain": domains}))
    return pl.concat(parts)


def with_scores(table, change):
    """Change the scores of every machine and section by a function of arrays."""
    parts = [
        rows.with_columns(score=pl.Series(change(rows["score"].to_numpy()), dtype=pl.Float64))
        for _, rows in table.group_by("machine", "section", maintain_order=True)
    ]
    return pl.concat(parts)


def result(table, year):
    """Return the official score and the official cells {(machine, section): {name: value}}."""
    one = evaluate_table(table, year).systems["S"]
    names = [cell.name for cell in rule(year).cells]
    return one.official_score, {(row["machine"], row["section"]): {n: row[n] for n in names} for row in one.cells}


def clips_of(table, machine, section, cell):
    """Return labels and scores of the clips that a cell sees."""
    rows = table.filter(machine=machine, section=section)
    normals = (rows["label"] == 0) & (rows["domain"] == (cell.normals or rows["domain"]))
    anomalies = (rows["label"] == 1) & (rows["domain"] == (cell.anomalies or rows["domain"]))
    used = rows.filter(normals | anomalies)
    return used["label"].to_numpy(), used["score"].to_numpy()


def pairs_won(labels, scores):
    """AUC by looking at every pair."""
    anomalies, normals = scores[labels == 1][:, None], scores[labels == 0]
    return np.mean((anomalies > normals) + 0.5 * (anomalies == normals))


def trapezoids(labels, scores, limit=0.1):
    """Standardised pAUC by walking down the thresholds until the false positive rate reaches its limit."""
    area = x = y = 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        new_x, new_y = (float(np.mean(scores[labels == label] >= threshold)) for label in (0, 1))
        step = min(new_x, limit) - x
        if step > 0:
            area += step * (y + (y + (new_y - y) * step / (new_x - x))) / 2
        if new_x >= limit:
            break
        x, y = new_x, new_y
    return 0.5 * (1 + (area - limit**2 / 2) / (limit - limit**2 / 2))


@every_year
@pytest.mark.parametrize(
    "increasing",
    [lambda x: x.copy(), lambda x: 3 * x + 2, lambda x: np.exp(x / 2), rankdata, lambda x: x**3],
    ids=["x", "3x + 2", "exp", "rank", "cube"],
)
def test_a_monotone_transforms_change_nothing(year, increasing):
    table = joined(1)
    assert result(with_scores(table, increasing), year) == result(table, year)


@every_year
def test_b_turning_scores_round_mirrors_every_auc(year):
    table = joined(2)
    turned = with_scores(table, np.negative)
    (_, before), (_, after) = result(table, year), result(turned, year)
    for cell in rule(year).cells:
        for (machine, section), row in after.items():
            if cell.measure == "auc":
                expected = 1 - before[machine, section][cell.name]
            else:  # no mirror: walk down the turned scores
                expected = trapezoids(*clips_of(turned, machine, section, cell))
            assert row[cell.name] == pytest.approx(expected, abs=1e-12)


@every_year
def test_c_ties_count_one_half(year):
    constant = with_scores(joined(3), np.zeros_like)
    score, found = result(constant, year)
    assert score == pytest.approx(0.5, abs=1e-12)
    assert all(value == pytest.approx(0.5, abs=1e-15) for row in found.values() for value in row.values())
    two_levels = with_scores(joined(3), lambda x: (x > 0.5).astype(float))
    _, found = result(two_levels, year)
    for cell in (one for one in rule(year).cells if one.measure == "auc"):
        for (machine, section), row in found.items():
            labels, scores = clips_of(two_levels, machine, section, cell)
            closed_form = (1 + scores[labels == 1].mean() - scores[labels == 0].mean()) / 2
            assert row[cell.name] == pytest.approx(closed_form, abs=1e-12)


@pytest.mark.parametrize("year", [2020, 2021, 2026])
def test_c_a_tie_is_the_mean_of_all_ways_to_break_it(year):
    table, rng = joined(4, digits=0).filter(machine="fan", section="00"), np.random.default_rng(0)
    cells = [cell.name for cell in rule(year).cells if cell.measure == "auc"]
    broken = np.array(
        [
            [
                result(with_scores(table, lambda x: x + rng.uniform(0, 0.5, len(x))), year)[1]["fan", "00"][c]
                for c in cells
            ]
            for _ in range(200)
        ]
    )
    error = broken.std(axis=0, ddof=1) / np.sqrt(len(broken))
    tied = [result(table, year)[1]["fan", "00"][name] for name in cells]
    assert (error > 0).all()
    assert (np.abs(broken.mean(axis=0) - tied) < 3 * error).all()


@every_year
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_d_trusted_implementations_agree(year, digits):
    table = joined(5, digits=digits)
    _, found = result(table, year)
    for cell in rule(year).cells:
        for (machine, section), row in found.items():
            labels, scores = clips_of(table, machine, section, cell)
            limit, by_hand = (None, pairs_won) if cell.measure == "auc" else (0.1, trapezoids)
            assert row[cell.name] == pytest.approx(roc_auc_score(labels, scores, max_fpr=limit), abs=1e-12)
            assert row[cell.name] == pytest.approx(by_hand(labels, scores), abs=1e-12)


@every_year
def test_e_neither_the_order_of_clips_nor_their_names_count(year):
    table = joined(6)
    assert result(table.sample(fraction=1, shuffle=True, seed=0), year) == result(table, year)
    turned = table.with_columns(clip=pl.concat_str(pl.lit("x"), pl.col("clip").str.reverse()))
    assert result(turned, year) == result(table, year)


@every_year
def test_e_shuffled_labels_average_to_chance(year):
    table, rng = joined(7).filter(machine="fan", section="00"), np.random.default_rng(1)
    shuffled = []
    for _ in range(150):
        order = rng.permutation(len(table))
        _, found = result(table.with_columns(table[order].select("label", "domain")), year)
        shuffled.append([found["fan", "00"][cell.name] for cell in rule(year).cells if cell.measure == "auc"])
    error = np.std(shuffled, axis=0, ddof=1) / np.sqrt(len(shuffled))
    assert (np.abs(np.mean(shuffled, axis=0) - 0.5) < 4 * error).all()


@every_year
def test_f_perfect_separation_is_one_and_its_reverse_the_floor(year):
    table = joined(8)
    score, found = result(table.with_columns(score=pl.col("label").cast(pl.Float64)), year)
    assert score == pytest.approx(1, abs=1e-12)
    assert all(value == pytest.approx(1, abs=1e-12) for row in found.values() for value in row.values())
    _, found = result(table.with_columns(score=-pl.col("label").cast(pl.Float64)), year)
    floor = {cell.name: 0.0 if cell.measure == "auc" else FLOOR for cell in rule(year).cells}
    assert all(row == pytest.approx(floor, abs=1e-12) for row in found.values())


@pytest.mark.parametrize("year", range(2022, 2027))
def test_g_with_as_many_normals_of_each_domain_the_mean_of_both_aucs_is_the_pooled_one(year):
    table = joined(9, normals=(13, 13))
    for row in evaluate_table(table, year).systems["S"].cells:
        assert (row["auc_source"] + row["auc_target"]) / 2 == pytest.approx(row["auc_pooled"], abs=1e-12)
    other = evaluate_table(joined(9), year).systems["S"].cells[0]
    assert (other["auc_source"] + other["auc_target"]) / 2 != pytest.approx(other["auc_pooled"], abs=1e-6)


@every_year
def test_h_the_official_score_is_its_mean_at_most_the_arithmetic_one_and_grows_with_every_cell(year):
    table = joined(10)
    score, found = result(table, year)
    values = [value for row in found.values() for value in row.values()]
    assert score <= np.mean(values) + 1e-12
    if rule(year).mean == "harmonic":
        assert score == pytest.approx(hmean(values), rel=1e-12)
    for machine, section in found:
        here = (pl.col("machine") == machine) & (pl.col("section") == section)
        lifted = table.with_columns(score=pl.col("score") + 0.3 * here.cast(pl.Float64) * pl.col("label"))
        higher, cells = result(lifted, year)
        assert higher > score
        assert all(value >= found[machine, section][name] for name, value in cells[machine, section].items())


@pytest.mark.parametrize("year", range(2022, 2027))
def test_i_the_published_identity_of_column_means(year):
    # 15 / (10 / hmean(AUCs) + 5 / hmean(pAUCs)) for five machines; the published totals themselves are in test_metrics
    table = joined(11).filter(section="00")
    score, found = result(table, year)
    aucs = [row[name] for row in found.values() for name in ("auc_source", "auc_target")]
    n = len(found)
    assert score == pytest.approx(
        3 * n / (2 * n / hmean(aucs) + n / hmean([row["pauc"] for row in found.values()])), rel=1e-12
    )
