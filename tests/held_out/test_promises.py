"""asdcore.held_out.promises: thresholds that count groups, their proof in simulation, and what few groups allow."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway

from asdcore.errors import EvaluationError
from asdcore.held_out.promises import bound, correlation, effective_clips, estimate, p_values, smallest_rate

grouped = st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 6)), min_size=1, max_size=40)
rates = st.sampled_from([0.05, 0.1, 0.2, 0.3, 0.5])


def recordings(rng, groups, clips, alike):
    """Return scores (groups, clips) of unit variance, of which the part ``alike`` belongs to the group."""
    own, shared = rng.standard_normal((groups, clips)), rng.standard_normal((groups, 1))
    return math.sqrt(1 - alike) * own + math.sqrt(alike) * shared


def coverage(threshold, groups, clips, alike, tries=300, seed=0):
    """Return which part of normals of fresh groups is below a threshold, on average over sets of train normals."""
    rng = np.random.default_rng([seed, groups, clips, round(100 * alike)])
    of = np.repeat(np.arange(groups), clips)
    found = [threshold(recordings(rng, groups, clips, alike).ravel(), of, 0.05) for _ in range(tries)]
    return float(np.mean([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in found]))


# --- what it is of few clips -----------------------------------------------------------------------------------------


@given(scores=st.lists(st.integers(-50, 50), min_size=1, max_size=60), rate=rates)
def test_groups_of_one_clip_give_the_conformal_threshold(scores, rate):
    n = len(scores)
    rank = math.ceil((n + 1) * (100 - round(100 * rate)) / 100)
    wanted = sorted(scores)[rank - 1] if rank <= n else math.inf
    assert bound(scores, range(n), rate) == wanted
    assert estimate(scores, range(n), rate) == wanted


@given(rows=grouped, rate=rates)
def test_the_bound_has_the_weight_that_the_proof_asks_for(rows, rate):
    scores, groups = map(np.array, zip(*rows, strict=True))
    k = len(set(groups))
    share = np.array([1 / (groups == one).sum() for one in groups])
    found = bound(scores, groups, rate)
    if math.isinf(found):
        assert k / (k + 1) < 1 - rate + 1e-9
        return
    assert share[scores <= found].sum() / (k + 1) >= 1 - rate - 1e-9
    assert share[scores < found].sum() / (k + 1) < 1 - rate + 1e-9


@given(rows=grouped, rate=rates, order=st.randoms(use_true_random=False))
def test_order_and_names_of_groups_do_not_matter(rows, rate, order):
    mixed = list(rows)
    order.shuffle(mixed)
    for threshold in (bound, estimate):
        one, two = ([*zip(*some, strict=True)] for some in (rows, mixed))
        assert threshold(one[0], one[1], rate) == threshold(two[0], [f"run {name}" for name in two[1]], rate)


@given(rows=grouped, new=st.integers(-60, 60))
def test_a_clip_above_the_bound_has_a_p_value_of_at_most_the_rate(rows, new):
    scores, groups = zip(*rows, strict=True)
    p = float(p_values([new], scores, groups)[0])
    assert smallest_rate(len(set(groups))) - 1e-12 <= p <= 1
    for rate in (0.1, 0.25, 0.5):
        if abs(p - rate) > 1e-9:
            assert (new > bound(scores, groups, rate)) == (p <= rate)


@pytest.mark.parametrize(("groups", "enough"), [(10, False), (18, False), (19, True), (40, True)])
def test_so_few_groups_cannot_promise_five_percent(groups, enough):
    scores = np.arange(30.0 * groups)
    assert math.isfinite(bound(scores, np.repeat(np.arange(groups), 30), 0.05)) == enough
    assert (smallest_rate(groups) <= 0.05) == enough


# --- the proof -------------------------------------------------------------------------------------------------------


def missed(groups, rate):
    """Return how likely a new clip is above the bound of the others: any clip of any group may be the new one."""
    total = Fraction(0)
    for new, own in enumerate(groups):
        others = [one for k, one in enumerate(groups) if k != new]
        scores, of = np.concatenate(others), np.repeat(np.arange(len(others)), [len(one) for one in others])
        limit = bound(scores, of, rate)
        total += Fraction(sum(score > limit for score in own), len(own))
    return total / len(groups)


@given(
    groups=st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=7), min_size=2, max_size=14),
    rate=st.integers(1, 99).map(lambda hundredths: Fraction(hundredths, 100)),
)
def test_of_exchangeable_groups_the_bound_misses_no_more_than_it_promises(groups, rate):
    """Exact: which group and which clip of it is new is all that chance decides, whatever the scores and sizes."""
    assert missed(groups, rate) <= rate


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=14),
    rate=st.integers(1, 99).map(lambda hundredths: Fraction(hundredths, 100)),
    order=st.randoms(use_true_random=False),
)
def test_without_ties_the_bound_is_not_far_above_what_it_must_be(sizes, rate, order):
    scores = list(range(sum(sizes)))
    order.shuffle(scores)
    ends = np.cumsum(sizes)
    groups = [scores[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    assert missed(groups, rate) >= rate - Fraction(2, len(groups))  # K others: 2 / (K + 1)


def test_a_clip_counted_by_itself_breaks_the_promise_that_groups_keep():
    """The exact check can fail: the conformal threshold of single clips misses far more of these groups."""
    groups, rate = [[k] * 6 for k in range(8)], Fraction(1, 10)
    others = [np.repeat(np.delete(np.arange(8), new), 6) for new in range(8)]
    by_clip = sum(new > bound(others[new], range(42), rate) for new in range(8)) / 8
    assert missed(groups, rate) <= rate < by_clip


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize("tail", ["normal", "cauchy", "pareto"])
@pytest.mark.parametrize("sizes", ["alike", "unlike", "large where scores are high"])
def test_the_bound_covers_fresh_groups_of_any_size_and_tail(sizes, tail, rate):
    """Against new draws, 500 sets: at most three standard errors above the rate, what chance does once in 700."""
    rng = np.random.default_rng([len(sizes), len(tail), round(100 * rate)])
    draw = {"normal": rng.standard_normal, "cauchy": rng.standard_cauchy, "pareto": lambda n=None: rng.pareto(0.7, n)}
    tries, above = 500, 0

    def group():
        shared = draw[tail]()
        size = {"alike": 5, "unlike": int(rng.choice([1, 2, 30]))}.get(sizes, 1 + 11 * (shared > 1))
        return shared + 0.5 * draw[tail](size)

    for _ in range(tries):
        *train, new = (group() for _ in range(23))
        of = np.repeat(np.arange(22), [len(one) for one in train])
        above += rng.choice(new) > bound(np.concatenate(train), of, rate)
    assert above / tries <= rate + 3 * math.sqrt(rate * (1 - rate) / tries)


@given(hundredths=st.integers(1, 99), groups=st.integers(1, 99))
def test_a_rate_is_the_decimal_number_that_is_said(hundredths, groups):
    scores, of = np.arange(2 * groups), np.repeat(np.arange(groups), 2)
    rate = hundredths / 100
    assert bound(scores, of, rate) == bound(scores, of, Fraction(hundredths, 100))
    assert math.isfinite(bound(scores, of, rate)) == (hundredths * (groups + 1) >= 100)


# --- what it does on fresh recordings --------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [10, 20, 40])
@pytest.mark.parametrize(("clips", "alike"), [(6, 0.0), (6, 0.5), (30, 0.2), (30, 0.8)])
def test_the_estimate_comes_to_the_rate(groups, clips, alike):
    assert 0.93 <= coverage(estimate, groups, clips, alike) <= 0.97


@pytest.mark.parametrize("groups", [19, 25, 40])
@pytest.mark.parametrize("alike", [0.0, 0.5, 0.95])
def test_the_bound_keeps_the_rate(groups, alike):
    assert coverage(bound, groups, 10, alike) >= 0.945


@pytest.mark.parametrize("alike", [0.7, 0.95])
def test_counting_clips_does_not_keep_the_rate(alike):
    def by_clip(scores, groups, rate):
        return bound(scores, range(len(scores)), rate)

    assert coverage(by_clip, 10, 30, alike) < 0.935


def test_p_values_of_fresh_recordings_are_no_smaller_than_they_say():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        scores = recordings(rng, 20, 5, 0.6)
        fresh = recordings(rng, 5, 1, 0.6)
        found.append(p_values(fresh.ravel(), scores.ravel(), np.repeat(np.arange(20), 5)))
    for level in (0.05, 0.1, 0.3):
        assert np.mean(np.concatenate(found) <= level) <= level + 0.015


# --- how many clips they are worth -----------------------------------------------------------------------------------


def test_clips_that_agree_are_worth_their_groups_and_independent_ones_all():
    groups = np.repeat(np.arange(8), 5)
    assert effective_clips(groups < 2, groups) == pytest.approx(8)
    assert effective_clips(np.tile([1, 0, 0, 0, 0], 8), groups) == pytest.approx(40)
    assert effective_clips(np.arange(40) < 7, np.arange(40)) == 40
    assert effective_clips(np.arange(9) < 3, np.zeros(9)) == pytest.approx(1)
    assert correlation(np.zeros(40), groups) == 0


def test_correlation_is_that_of_the_scores_that_were_drawn():
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(2000), 5)
    scores = recordings(rng, 2000, 5, 0.5).ravel()
    assert correlation(scores, of) == pytest.approx(0.5, abs=0.05)
    assert correlation(scores > 1, rng.permutation(of)) == pytest.approx(0, abs=0.03)


def test_correlation_of_few_unequal_groups_follows_from_scipys_f():
    groups = [np.array(values) for values in ([1, 1, 0, 1, 1], [0, 0], [1, 0, 0])]
    f = f_oneway(*groups).statistic
    size = (10 - (25 + 4 + 9) / 10) / 2
    found = correlation(np.concatenate(groups) > 0, np.repeat(["a", "b", "c"], [5, 2, 3]))
    assert 0.2 < found == pytest.approx((f - 1) / (f - 1 + size), rel=1e-12)


@pytest.mark.parametrize(
    ("scores", "groups", "rate", "said"),
    [
        ([], [], 0.05, r"\(0,\) and groups \(0,\)"),
        ([1.0, 2.0], [1], 0.05, r"\(2,\) and groups \(1,\)"),
        ([1.0, math.nan], [1, 2], 0.05, "1 of 2 scores are not finite"),
        ([1.0, 2.0], [1, 2], 1.0, "between 0 and 1, not at 1.0"),
    ],
)
def test_what_is_no_score_is_refused(scores, groups, rate, said):
    for threshold in (bound, estimate):
        with pytest.raises(EvaluationError, match=said):
            threshold(scores, groups, rate)
