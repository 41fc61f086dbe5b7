"""asdcore.evidence.uncertainty.paired: differences, permutations and their correction against loops and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, kstest, norm, rankdata

from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import cells, official_score
from asdcore.evidence.uncertainty import differences, intervals, intervals_below
from asdcore.evidence.uncertainty.bootstrap import Resampled
from asdcore.evidence.uncertainty.paired import holm
from asdcore.evidence.uncertainty.resample import swaps
from asdcore.evidence.uncertainty.section_arrays import sections_of

KINDS = [("source", 0), ("target", 0), ("source", 1), ("target", 1)]


def paired(rng, noises, machines=("fan",), clips=10, shift=1.0):
    """Systems of one latent score: what sets them apart is their noise. {system: standard deviation of its noise}."""
    domains, labels = (np.repeat(column, clips) for column in zip(*KINDS, strict=True))
    parts = []
    for machine in machines:
        latent = rng.normal(size=len(labels)) + shift * labels
        for system, noise in noises.items():
            scores = latent + noise * rng.normal(size=len(labels))
            names = [f"{i:04d}.wav" for i in range(len(labels))]
            frame = {"machine": machine, "section": "00", "system": system, "score": scores}
            parts.append(pl.DataFrame({**frame, "clip": names, "label": labels, "domain": domains}))
    return pl.concat(parts)


@pytest.mark.parametrize("year", [2020, 2021, 2026])
def test_p_is_that_of_a_plain_loop_over_swapped_ranks(year):
    table = paired(np.random.default_rng(year), {"A": 0.3, "B": 1.5}, ("fan", "pump"))
    table = table.with_columns(pl.col("score").round(1))
    (found,) = differences(table, year, replicates=100, permutations=150, seed=3)
    _, sections = sections_of(table, year)

    def difference(chosen):
        official = []
        for system in (0, 1):
            values = {}
            for one in sections:
                ranks = np.array([rankdata(scores) for scores in one.scores])
                scores = np.where(chosen[one.machine], ranks[1 - system], ranks[system])
                values[one.machine, "00"] = cells(scores, one.anomalous.astype(int), one.domains, year)
            official.append(official_score(values, year))
        return official[0] - official[1]

    drawn = {one.machine: swaps(one.name, len(one.anomalous), 150, 3).astype(bool) for one in sections}
    observed = difference({machine: np.zeros(40, dtype=bool) for machine in drawn})
    swapped = [difference({machine: chosen[:, i] for machine, chosen in drawn.items()}) for i in range(150)]
    assert found.estimate == pytest.approx(observed, abs=1e-12)
    assert found.p == (1 + sum(abs(one) >= abs(observed) - 1e-12 for one in swapped)) / 151
    assert 1 / 151 < found.p < 1


def test_intervals_and_errors_rest_on_paired_replicates():
    table = paired(np.random.default_rng(0), {"A": 0.2, "B": 0.2, "C": 1.0}, ("fan", "pump"))
    drawn = Resampled.of(table, 2026, 500, 0)
    found = differences(table, 2026, replicates=500, permutations=50)
    assert [(one.first, one.second) for one in found] == [("A", "B"), ("A", "C"), ("B", "C")]
    for one, (i, j) in zip(found, itertools.combinations(range(3), 2), strict=True):
        replicates = drawn.official_replicates[i] - drawn.official_replicates[j]
        assert one.standard_error == pytest.approx(np.std(replicates, ddof=1), rel=1e-12)
        assert one.interval.estimate == one.estimate == pytest.approx(drawn.official_point[i] - drawn.official_point[j])
        assert one.interval.low < one.interval.high
        assert one.interval.method == "bca"
    alone = [np.std(values, ddof=1) for values in drawn.official_replicates]
    assert found[0].standard_error < 0.6 * math.hypot(alone[0], alone[1]), "pairing must pay"


def test_the_smallest_detectable_difference_is_found_in_80_of_100_cases():
    (found,) = differences(
        paired(np.random.default_rng(1), {"A": 0.2, "B": 0.9}), 2026, replicates=300, permutations=50
    )
    noncentral = found.smallest_detectable / found.standard_error
    power = norm.sf(1.959963984540054 - noncentral) + norm.cdf(-1.959963984540054 - noncentral)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_a_clear_difference_is_found_and_said():
    found = differences(paired(np.random.default_rng(2), {"good": 0.1, "poor": 3.0}, ("fan", "pump"), 30, 2.0), 2026)
    (one,) = found
    assert one.estimate > one.smallest_detectable
    assert one.p == one.p_holm == pytest.approx(1 / 2001)
    assert one.interval.low > 0
    assert one.sentence == (
        f"good is {100 * one.estimate:.2f} points above poor, which chance hardly explains "
        "(p 0.0005 after Holm's correction)."
    )
    assert one.as_json()["sentence"] == one.sentence


def test_no_difference_shown_names_the_one_that_could_have_been():
    (one,) = differences(paired(np.random.default_rng(3), {"A": 0.5, "B": 0.5}), 2026, replicates=200, permutations=99)
    better, worse = ("A", "B") if one.estimate >= 0 else ("B", "A")
    assert one.p_holm > 0.05
    assert one.sentence.startswith(
        f"{better} is {100 * abs(one.estimate):.2f} points above {worse}, which may be chance"
    )
    assert one.sentence.endswith(f"could have shown a difference of {100 * one.smallest_detectable:.2f} points.")


def test_the_scale_of_scores_does_not_matter():
    table = paired(np.random.default_rng(4), {"A": 0.5, "B": 0.6})
    scaled = table.with_columns(
        score=pl.when(pl.col("system") == "A").then(pl.col("score").exp() * 1e3).otherwise("score")
    )
    few = {"replicates": 100, "permutations": 99}
    assert differences(scaled, 2026, **few) == differences(table, 2026, **few)


def test_systems_that_rank_alike_are_the_same():
    table = paired(np.random.default_rng(5), {"A": 0.5})
    both = pl.concat([table, table.with_columns(system=pl.lit("B"), score=pl.col("score") ** 3)])
    (one,) = differences(both, 2026, replicates=100, permutations=50)
    assert (one.estimate, one.p, one.p_holm, one.standard_error, one.smallest_detectable) == (0, 1, 1, 0, 0)
    assert one.sentence == "A and B have the same official score, whichever clips are drawn."


def test_p_is_uniform_and_intervals_hold_zero_where_systems_do_not_differ():
    rng, ps, covered, trials = np.random.default_rng(6), [], 0, 150
    for _ in range(trials):
        table = paired(rng, {"A": 0.7, "B": 0.7}, clips=15)
        (one,) = differences(table, 2026, replicates=300, permutations=199)
        ps.append(one.p)
        covered += one.interval.low <= 0 <= one.interval.high
    low, high = binom.ppf([0.0005, 0.9995], trials, 0.95)
    assert low <= covered <= high
    assert kstest(ps, "uniform").pvalue > 0.001
    assert kstest(np.square(ps), "uniform").pvalue < 0.001, "a p value that is too small would go unnoticed"


def test_holms_correction_by_hand():
    # sorted .005, .01, .03, .04 times 4, 3, 2, 1: .02, .03, .06, and .04 raised to the .06 before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]


def test_claims_are_corrected_for_all_pairs():
    table = paired(np.random.default_rng(7), {"A": 0.2, "B": 0.8, "C": 1.5, "D": 0.3})
    found = differences(table, 2026, replicates=100, permutations=99)
    assert len(found) == 6
    assert [one.p_holm for one in found] == holm([one.p for one in found])


def test_differences_are_those_of_the_intervals_estimates():
    table = paired(np.random.default_rng(8), {"A": 0.2, "B": 0.8}, ("fan", "pump"))
    official = intervals(table, 2021, replicates=100).official
    (one,) = differences(table, 2021, replicates=100, permutations=10)
    assert one.estimate == official["A"]["bca"].estimate - official["B"]["bca"].estimate


def test_what_cannot_be_compared_is_said():
    table = paired(np.random.default_rng(9), {"A": 0.2})
    with pytest.raises(EvaluationError, match="There is only the system A: a difference needs two"):
        differences(table, 2026)
    with pytest.raises(EvaluationError, match="permutations is 0; a permutation test needs at least 1, better 2000"):
        differences(table, 2026, permutations=0)


def test_intervals_below_one_system_are_those_of_the_differences_from_it():
    table = paired(np.random.default_rng(5), {"A": 0.3, "B": 1.5, "C": 0.9}, ("fan", "pump"))
    below = intervals_below("B", table, 2026, replicates=200)
    whole = differences(table, 2026, replicates=200, permutations=1)
    assert below["C"] == next(found.interval for found in whole if (found.first, found.second) == ("B", "C"))
    assert below["A"].estimate == -next(found.estimate for found in whole if (found.first, found.second) == ("A", "B"))
    assert set(below) == {"A", "C"}
