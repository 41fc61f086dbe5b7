"""What leave-one-out would promise, beside folds by group, on clips cut from runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest

import asdcore
from asdcore.errors import StoreError
from asdcore.evidence.false_alarms.group_thresholds import group_thresholds
from asdcore.evidence.false_alarms.side_by_side import Rates, side_by_side, why_nothing
from asdcore.held_out.promises import bound, estimate
from asdcore.runs.folder import Run
from asdcore.stages.decide import thresholds


@pytest.fixture(scope="module")
def runs(recorded, tmp_path_factory):
    """One portfolio by neighbours and by clip."""
    return recorded(tmp_path_factory.mktemp("runs"), "auto", "clip")


def labels_of(run):
    tested = run.clips.filter(split="test")["clip"]
    return pl.DataFrame(
        {
            "clip": tested,
            "label": [int("_anomaly_" in name) for name in tested],
            "domain": ["source" if "_source_" in name else "target" for name in tested],
        }
    )


def test_neighbours_make_leave_one_out_promise_too_much(runs):
    source = next(one for one in side_by_side(runs["auto"], ["one"], labels_of(runs["auto"])) if one.domain == "source")
    assert (source.normals, source.system, source.nominal) == (96, "one", pytest.approx(0.05))
    assert 6 <= source.groups <= 24
    assert source.one_by_one < 0.12
    assert source.disagree
    assert source.new > 0.2
    assert source.came_one_by_one > 0.2
    assert source.came < source.came_one_by_one - 0.1
    assert "near-duplicates: leave-one-out would promise 5.0 % and give" in source.sentence
    assert source.as_json()["sentence"] == source.sentence


def test_what_leave_one_out_gives_is_seen_without_labels(runs):
    source = side_by_side(runs["auto"], ["one"])[0]
    assert source.came is None
    assert source.came_one_by_one is None
    assert source.new > 0.2
    assert asdcore.ledger(runs["auto"].folder.parent / "store").looks == []


def test_leave_one_out_is_that_of_a_run_by_clip(runs):
    """The second calibration is the run that `by = "clip"` makes, to the last bit."""
    alone = runs["clip"].systems.filter(system="one")
    limit = thresholds(alone, runs["clip"].clips, asdcore.portfolio.Decision())["threshold"][0]
    known = labels_of(runs["clip"]).filter(label=0)
    train = alone.filter(role="oof").join(runs["clip"].clips.select("clip", "domain"), on="clip")
    for one in side_by_side(runs["auto"], ["one"], labels_of(runs["auto"])):
        own = train.filter(domain=one.domain)
        assert one.one_by_one == (own["score"] > limit).mean()
        came = alone.filter(role="test").join(known, on="clip").filter(domain=one.domain)
        assert one.came_one_by_one == (came["score"] > limit).mean()


def test_by_group_is_what_the_decisions_of_the_run_rest_on(runs):
    counted = {one.domain: one for one in asdcore.decisions(runs["auto"], ["one"])}
    for one in side_by_side(runs["auto"], ["one"]):
        assert one.by_group == counted[one.domain].rate
        assert one.groups == counted[one.domain].groups


def test_what_a_scorer_learned_by_leave_one_out_is_learned_so_again(runs):
    """A scorer that learned without whole groups scores normals lower, which would hide what leave-one-out gives."""
    source = side_by_side(runs["auto"], ["learned"], labels_of(runs["auto"]))[0]
    assert source.domain == "source"
    assert source.new > 0.2
    limit = thresholds(runs["clip"].systems, runs["clip"].clips, asdcore.portfolio.Decision()).filter(system="learned")
    known = labels_of(runs["clip"]).filter(label=0, domain="source")
    tested = runs["clip"].systems.filter(system="learned", role="test").join(known, on="clip")
    assert source.came_one_by_one == pytest.approx((tested["score"] > limit["threshold"][0]).mean())


def test_a_run_by_clip_is_told_what_it_would_give_from_its_train_normals_alone(runs):
    """Both runs are one comparison, seen from either side: to the last bit."""
    told, known = (side_by_side(runs[by], labels=labels_of(runs[by])) for by in ("clip", "auto"))
    for one, other in zip(told, known, strict=True):
        assert one.by_clip
        assert one.came == one.came_one_by_one == other.came_one_by_one
        assert replace(one, by_clip=False, came=other.came) == other
    source = side_by_side(runs["clip"], ["one"])[0]
    assert source.disagree
    assert source.new > 0.2
    assert source.came is None
    assert "near-duplicates: this run's leave-one-out promises 5.0 % and would give" in source.sentence
    assert source.sentence.endswith('by = "auto" in the portfolio.')
    for one in asdcore.decisions(runs["clip"]):
        assert one.groups == one.normals


def test_a_conformal_run_by_clip_is_told_too_though_its_groups_could_not_promise_it(runs):
    about = runs["clip"].about
    decision = {"rule": "conformal", "quantile": 0.98}
    run = asdcore.Run(runs["clip"].folder, {**about, "portfolio": {**about["portfolio"], "decision": decision}})
    source = side_by_side(run, ["one"])[0]
    assert source.nominal == pytest.approx(0.02)
    assert source.new > 0.1


def test_nothing_is_said_where_nothing_is_known_to_be_alike(runs, tmp_path):
    run = runs["clip"]
    unordered = {"clips": run.clips.with_columns(order=pl.lit(None, pl.Int64), recording=pl.lit(None, pl.String))}
    unknown = Run.held(run.folder, run.about, unordered)
    assert side_by_side(unknown) == []
    assert "neither order nor recording" in why_nothing(unknown)
    shuffled = run.clips.with_columns(order=pl.int_range(pl.len()).shuffle(seed=3))
    mixed = Run.held(run.folder, run.about, {"clips": shuffled})
    assert side_by_side(mixed) == []
    assert "are no more alike than others" in why_nothing(mixed)
    assert side_by_side(runs["auto"], ["copy"]) == []
    assert "look at the system that it mirrors" in why_nothing(runs["auto"], ["copy"])


@pytest.mark.parametrize("gone", ["store", "features"])
def test_a_run_by_clip_whose_features_are_gone_is_said(runs, gone, tmp_path):
    run = runs["clip"]
    lost = {"store": str(tmp_path / "empty")} if gone == "store" else {"features": dict.fromkeys("ab", "0" * 64)}
    with pytest.raises(StoreError, match=r"(?i)run"):
        side_by_side(asdcore.Run(run.folder, {**run.about, **lost}))


def test_counting_groups_widens_the_interval_and_what_can_be_promised(runs):
    grouped, alone = (asdcore.decisions(runs[by], ["one"])[0] for by in ("auto", "clip"))
    assert grouped.smallest_attainable == 1 / (grouped.groups + 1) > alone.smallest_attainable == 1 / 97
    assert f"96 source clips in {grouped.groups} groups cannot support 5.0 %" in grouped.warning


def test_thresholds_that_count_groups_stand_beside_the_plain_quantile(runs):
    (one,) = group_thresholds(runs["auto"], ["one"])
    scores = runs["auto"].systems.filter(system="one", role="oof").sort("clip")["score"].to_numpy()
    assert one.threshold == runs["auto"].decisions.filter(system="one")["threshold"][0]
    assert one.normals == len(scores) == 106
    assert one.bound is None if one.groups < 19 else one.bound >= one.threshold
    assert one.estimate is None or one.estimate >= one.threshold
    (clipwise,) = group_thresholds(runs["clip"], ["one"])
    scores = runs["clip"].systems.filter(system="one", role="oof")["score"].to_numpy()
    assert clipwise.bound == clipwise.estimate == bound(scores, range(106), 0.05) == estimate(scores, range(106), 0.05)


def test_a_store_without_features_is_said(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs["auto"].folder, folder)
    moved = asdcore.load_run(folder)
    moved.about["store"] = str(tmp_path / "empty")
    with pytest.raises(StoreError, match=r"(?i)run"):
        side_by_side(moved)


def test_features_of_other_code_are_said(runs):
    run = asdcore.load_run(runs["auto"].folder)
    run.about["features"]["a"] = "0" * 64
    with pytest.raises(StoreError, match="branch 'a' has changed since. Run the portfolio again"):
        side_by_side(run)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"groups": 2}, "10 clips in 2 groups are too few to tell what leave-one-out would give."),
        ({"groups": 10, "new": 0.05}, "leave-one-out would promise 5.0 % and give about 5.0 %."),
        ({"groups": 10, "came_one_by_one": 0.25}, "of the labelled test normals 25.0 % lie above its threshold."),
    ],
)
def test_sentences_say_what_can_be_told(changed, said):
    given = {"new": 0.4, "ci95": (0.1, 0.7)} | changed
    one = Rates("fan", "00", "A", "target", normals=10, nominal=0.05, one_by_one=0.1, by_group=0.1, **given)
    assert said in one.sentence
    assert json.loads(json.dumps(one.as_json()))["disagree"] == (given["groups"] == 10 and given["new"] > 0.1)
