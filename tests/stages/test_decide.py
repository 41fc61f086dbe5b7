"""Decisions: the train-normal empirical CDF sets the threshold; test scores take no part in it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asdcore
from asdcore.basics.rounding import settled
from asdcore.errors import DataError
from asdcore.evidence.false_alarms.group_thresholds import group_thresholds
from asdcore.held_out.promises import bound, estimate
from asdcore.portfolio import Decision, OutOfFold, parse_portfolio
from asdcore.stages.decide import (
    check_attainable,
    check_groups,
    decide,
    doubts,
    fewest,
    group_notes,
    nominal_rate,
    rank,
)


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


@pytest.mark.parametrize("decision", [Decision(quantile=0.9), Decision(rule="conformal", quantile=0.9)])
@pytest.mark.parametrize("sizes", [[1] * 30, [3] * 20, [1, 2, 3] * 7])
def test_a_threshold_is_a_train_normals_score_so_it_is_rounded_as_that_is(decision, sizes):
    normals, _ = settled(1e6 + np.random.default_rng(1).standard_normal(sum(sizes)))
    out = decide(*tables(normals, [0.0]), decision, in_groups(sizes))
    assert out["threshold"].item() in normals
    numbers = in_groups(sizes)["group"]
    assert {bound(normals, numbers, 0.1), estimate(normals, numbers, 0.1)} <= {*normals.tolist(), np.inf}


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


# --- the conformal rule, where clips come in groups ---


def in_groups(sizes, machine="m", system="S"):
    """Return the groups of train normals that :func:`tables` names, so many clips in each."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"{machine}/train/{i}.wav" for i in range(len(numbers))]
    return pl.DataFrame({"system": system, "clip": names, "group": numbers})


@pytest.mark.parametrize("sizes", [[5] * 20, [1, 2, 3, 4] * 6, [1] * 19 + [40]])
@pytest.mark.parametrize("quantile", [0.54, 0.9, 0.95])
def test_the_conformal_threshold_of_groups_is_the_bound_that_counts_them(sizes, quantile):
    normals = np.random.default_rng(len(sizes)).standard_normal(sum(sizes))
    groups = in_groups(sizes)
    wanted = bound(normals, groups["group"], 1 - Fraction(str(quantile)))
    out = decide(*tables(normals, [0.0, wanted, wanted + 1e-9]), Decision(rule="conformal", quantile=quantile), groups)
    assert set(out["threshold"]) == {wanted}
    assert out.sort("clip")["decision"].to_list()[1:] == [0, 1]
    plain = decide(*tables(normals, [0.0]), Decision(quantile=quantile))
    assert plain.equals(decide(*tables(normals, [0.0]), Decision(quantile=quantile), groups))


@given(n=st.integers(1, 60), hundredths=st.integers(1, 98), seed=st.integers(0, 99))
def test_groups_of_one_clip_each_change_nothing(n, hundredths, seed):
    decision = Decision(rule="conformal", quantile=hundredths / 100)
    normals = np.random.default_rng(seed).standard_normal(n)
    if rank(n, decision) <= n:
        alone = decide(*tables(normals, [0.0]), decision, in_groups([1] * n))
        assert alone.equals(decide(*tables(normals, [0.0]), decision))


def test_the_promise_is_kept_by_groups_where_counting_clips_breaks_it():
    """Of 24 groups of 4 near-duplicates, any may be the new one."""
    scores, of = np.repeat(np.arange(24.0), 4) + np.tile([0, 0.1, 0.2, 0.3], 24), np.repeat(np.arange(24), 4)
    decision, rate = Decision(rule="conformal", quantile=0.9), {}
    for name, groups in (("groups", in_groups([4] * 23)), ("clips", None)):
        above = [
            decide(*tables(scores[of != k], scores[of == k]), decision, groups)["decision"].mean() for k in of[::4]
        ]
        rate[name] = np.mean(above)
    assert rate["groups"] <= 0.1 < rate["clips"]


def test_so_few_groups_are_refused_in_one_message_of_the_fewest():
    decision = Decision(rule="conformal", quantile=0.95)
    few, more, enough = ((name, [6] * n) for name, n in (("a", 12), ("b", 18), ("c", 19)))
    groups = pl.concat([in_groups(sizes, name) for name, sizes in (more, few, enough)])
    parts = [tables(np.arange(float(sum(sizes))), [0.0], name) for name, sizes in (more, few, enough)]
    systems, clips = (pl.concat([one[i] for one in parts]) for i in (0, 1))
    said = (
        r"^a section 00: a conformal threshold at the quantile 0.95 needs 19 groups of train normals that were "
        r"recorded apart, its 72 come in 12, which can promise no less than 1/13 = 7.7 % .*at most 0.923, or rule = "
        r"'ecdf'.*new clip comes from a new group.* 1 more"
    )
    with pytest.raises(DataError, match=said):
        decide(systems, clips, decision, groups)
    with pytest.raises(DataError, match=said):
        check_groups(clips, decision, groups)
    check_groups(clips, Decision(), groups)
    check_groups(clips, Decision(rule="conformal", quantile=0.923), groups)
    check_groups(clips, decision, groups.filter(pl.col("clip").str.starts_with("c/")))
    assert len(decide(systems, clips, Decision(rule="conformal", quantile=0.923), groups)) == 3


@pytest.mark.parametrize(
    ("by", "columns", "refused"),
    [
        ({"by": "auto"}, {"recording": [i // 8 for i in range(96)]}, 12),
        ({"by": "recording"}, {"recording": [i // 8 for i in range(96)]}, 12),
        ({"by": "attribute"}, {"attributes": [i // 16 for i in range(96)]}, 6),
        ({"by": "neighbours", "range": 5}, {"order": range(96)}, 16),
        ({"by": "auto"}, {"order": range(96)}, None),  # a range that is still to be read
        ({"by": "clip"}, {"recording": [i // 8 for i in range(96)]}, None),
    ],
)
def test_groups_that_are_known_before_any_work_are_counted_then(by, columns, refused):
    names = {"clip": [f"m/train/{i:03}.wav" for i in range(96)], "machine": "m", "section": "00", "split": "train"}
    text = {name: [f"{value:03}" for value in values] for name, values in columns.items() if name != "order"}
    clips = pl.DataFrame({**names, "domain": "source", **columns, **text})
    decision = Decision(rule="conformal", quantile=0.95)
    check_attainable(clips, Decision(), OutOfFold(**by))
    if refused is None:
        check_attainable(clips, decision, OutOfFold(**by))
        return
    with pytest.raises(DataError, match=f"its 96 come in {refused}, which .*or rule = 'ecdf'"):
        check_attainable(clips, decision, OutOfFold(**by))


def test_what_a_conformal_threshold_of_groups_rests_on_is_said():
    def row(machine, groups, clips):
        return {"machine": machine, "section": "00", "domains": {"source": {"groups": groups, "clips": clips}}}

    left_out = [row("fan", 60, 60), row("fan", 12, 60), row("pump", 60, 60)]
    (said,) = group_notes(left_out, Decision(rule="conformal"))
    assert said.startswith("fan section 00: the conformal threshold counts groups of clips")
    assert "if a new clip comes from a new group, exchangeable with the train groups" in said
    assert group_notes(left_out, Decision()) == group_notes(left_out[::2], Decision(rule="conformal")) == []


@pytest.fixture(scope="module")
def ruled(recorded, tmp_path_factory):
    """A folder with a dataset cut from recordings, a function that runs a conformal portfolio on it, and a run."""
    folder = tmp_path_factory.mktemp("ruled")
    plain = recorded(folder, "auto")["auto"]

    def run(quantile, by="auto"):
        plan = {**plain.about["portfolio"], "decision": {"rule": "conformal", "quantile": quantile}}
        plan["out_of_fold"] = {"by": by}
        out = folder / f"{by}-{quantile}"
        return asdcore.run(parse_portfolio(plan), folder / "data", out, task="dcase2025", store=folder / "store")

    return folder, run, plain


def test_a_run_decides_by_the_bound_of_the_groups_that_it_found_and_an_inference_alike(ruled, tmp_path):
    folder, run, plain = ruled
    done = run(0.8)
    assert any("the conformal threshold counts groups" in note for note in done.about["notes"])
    for one in group_thresholds(done):
        assert one.groups < one.normals
        assert one.threshold == one.bound
        assert one.doubt is None
    manifest = tmp_path / "manifest.json"
    asdcore.freeze(done, manifest)
    inferred = asdcore.infer(manifest, folder / "data", tmp_path / "inferred")
    assert inferred.decisions.equals(done.decisions)
    assert plain.decisions.filter(system="one")["threshold"][0] != group_thresholds(plain, ["one"])[0].bound


def test_a_range_that_leaves_too_few_groups_is_refused_when_it_has_been_read(ruled):
    folder, run, _ = ruled
    with pytest.raises(DataError, match=r"^fan section 00: .* its 106 come in \d+, which can promise .*rule = 'ecdf'"):
        run(0.98)
    assert not (folder / "auto-0.98").exists()
    assert run(0.98, "clip").decisions.height  # counts 106 clips, as it always did


def test_a_run_that_counted_clips_is_told(ruled):
    """An old run keeps its thresholds, and what they lack is said."""
    _, run, _ = ruled
    done = run(0.98, "clip")
    grouped = asdcore.Run(done.folder, {**done.about, "out_of_fold": run(0.8).about["out_of_fold"]})
    grouped.about["portfolio"] = {**done.about["portfolio"], "out_of_fold": {"by": "auto"}}
    for one in group_thresholds(grouped):
        assert one.threshold in done.decisions["threshold"]
        assert "counts 106 clips as if each were a recording of its own" in one.doubt
        assert "Run the portfolio again" in one.doubt
