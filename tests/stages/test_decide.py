"""Decisions: the train-normal empirical CDF sets the threshold; test scores take no part in it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.errors import DataError
from asdcore.portfolio import Decision
from asdcore.stages.decide import check_attainable, decide, doubts, fewest, group_doubts, nominal_rate, rank


def tables(normals, tested, machine="m"):
    rows = [(f"{machine}/train/{i}.wav", "S", "oof", s) for i, s in enumerate(normals)]
    rows += [(f"{machine}/test/{i}.wav", "S", "test", s) for i, s in enumerate(tested)]
    systems = pl.DataFrame(
        [(c, s, r, v, 0.0, v) for c, s, r, v in rows],
        schema=["clip", "system", "role", "base", "penalty", "score"],
        orient="row",
    )
    clips = pl.DataFrame([(c, machine, "00") for c, *_ in rows], schema=["clip", "machine", "section"], orient="row")
    return systems, clips


@pytest.mark.parametrize(
    ("n", "quantile", "rank"),
    [(100, 0.95, 95), (1000, 0.95, 950), (10, 0.95, 10), (7, 0.5, 4), (1, 0.95, 1), (450, 0.54, 243)],
)
def test_threshold_is_the_order_statistic_that_reaches_the_quantile(n, quantile, rank):
    normals = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    out = decide(*tables(normals, [0.0, rank, rank + 1e-9]), Decision(quantile=quantile))
    assert set(out["threshold"]) == {float(rank)}
    assert out.sort("clip")["decision"].to_list() == [0, 0, 1]
    assert (normals <= rank).mean() >= quantile
    assert (normals < rank).mean() < quantile


@given(n=st.integers(1, 20_000), hundredths=st.integers(1, 99))
def test_ranks_are_those_of_the_decimal_that_the_portfolio_says(n, hundredths):
    quantile = hundredths / 100
    assert rank(n, Decision(quantile=quantile)) == -(-n * hundredths // 100)
    assert rank(n, Decision(rule="conformal", quantile=quantile)) == -(-(n + 1) * hundredths // 100)
    assert nominal_rate(quantile) == (100 - hundredths) / 100


def test_test_scores_take_no_part():
    normals = np.arange(20.0)
    few = decide(*tables(normals, [5.0]), Decision())
    many = decide(*tables(normals, [5.0, *np.full(500, 1e6)]), Decision())
    assert few["threshold"].item() == many["threshold"][0]


def test_each_machine_has_its_own_threshold():
    one, other = tables(np.arange(20.0), [1.0], "a"), tables(100 + np.arange(20.0), [1.0], "b")
    out = decide(pl.concat([one[0], other[0]]), pl.concat([one[1], other[1]]), Decision(quantile=0.5))
    assert out.sort("clip")["threshold"].to_list() == [9.0, 109.0]


# --- the conformal rule ---


@pytest.mark.parametrize(
    ("n", "quantile", "k"), [(1000, 0.95, 951), (19, 0.95, 19), (99, 0.9, 90), (99, 0.07, 7), (9, 0.9, 9)]
)
def test_the_conformal_threshold_is_one_rank_further(n, quantile, k):
    """Ranks are exact: in floating point 100 times 0.07 is 7.000000000000001, and its ceiling 8."""
    normals = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    out = decide(*tables(normals, [k, k + 1e-9]), Decision(rule="conformal", quantile=quantile))
    assert set(out["threshold"]) == {float(k)}
    assert out.sort("clip")["decision"].to_list() == [0, 1]


def test_the_conformal_threshold_keeps_its_promise_where_the_plain_quantile_does_not():
    """Of n + 1 exchangeable scores, any may be the new one: the share of them above the threshold of the others."""
    scores = np.arange(1.0, 24 + 1)
    rate = {}
    for rule in ("ecdf", "conformal"):
        above = [
            decide(*tables(np.delete(scores, i), [scores[i]]), Decision(rule=rule, quantile=0.9))["decision"].item()
            for i in range(len(scores))
        ]
        rate[rule] = np.mean(above)
    assert rate["conformal"] <= 0.1 < rate["ecdf"]


@pytest.mark.parametrize(("n", "quantile", "needed", "most"), [(18, 0.95, 19, "0.9473"), (10, 0.95, 19, "0.909")])
def test_what_so_few_normals_cannot_promise_is_refused(n, quantile, needed, most):
    decision = Decision(rule="conformal", quantile=quantile)
    said = rf"m section 00: .*needs {needed} train normals, there are {n}, .*1/{n + 1} = .*at most {most}, or rule ="
    with pytest.raises(DataError, match=said):
        decide(*tables(np.arange(float(n)), [1.0]), decision)
    with pytest.raises(DataError, match=said):
        check_attainable(tables(np.arange(float(n)), [])[1].with_columns(split=pl.lit("train")), decision)
    check_attainable(tables(np.arange(float(n)), [])[1].with_columns(split=pl.lit("train")), Decision())
    assert rank(n, Decision(rule="conformal", quantile=float(most))) <= n
    assert (rank(fewest(quantile), decision), rank(fewest(quantile) - 1, decision)) == (needed, needed)


def test_domains_too_small_for_the_promised_rate_are_told():
    rows = [
        (f"{m}{d}{i}", m, "00", "train", d) for m in "ab" for d, n in (("source", 30), ("target", 10)) for i in range(n)
    ]
    clips = pl.DataFrame(rows, schema=["clip", "machine", "section", "split", "domain"], orient="row")
    (note,) = doubts(clips, Decision())
    assert note.startswith("a section 00 and 1 more: 10 target train clips cannot promise 5 % false positives")
    assert "the least is 1/11 = 9.1 %, and 19 clips would do" in note
    assert doubts(clips, Decision(quantile=0.9)) == []


def test_a_conformal_threshold_of_clips_in_groups_is_doubted():
    def row(machine, groups, clips):
        return {"machine": machine, "section": "00", "domains": {"source": {"groups": groups, "clips": clips}}}

    left_out = [row("fan", 60, 60), row("fan", 12, 60), row("pump", 60, 60)]
    (said,) = group_doubts(left_out, Decision(rule="conformal"))
    assert said.startswith("fan section 00: the conformal threshold counts 60 clips")
    assert "12 groups, which can promise no less than 1/13 = 7.7 %" in said
    assert group_doubts(left_out, Decision()) == []
