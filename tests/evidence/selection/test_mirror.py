"""asdcore.evidence.selection.mirror: a system stands beside its out-of-fold mirror."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asdcore.basics.rounding import BITS
from asdcore.compute.scoring.scoring import load_features
from asdcore.contract.plugins import installed
from asdcore.data.features.distances import distances
from asdcore.errors import EvaluationError
from asdcore.evidence.selection.candidates import open_candidates, places_of
from asdcore.evidence.selection.mirror import mirror
from asdcore.evidence.uncertainty import differences
from asdcore.held_out import held_out_of
from asdcore.portfolio import parse_portfolio
from asdcore.stages.scoring import score
from asdcore.store.cache import Store

GOOD, POOR = {"fan": 2.0, "valve": 2.0}, {"fan": 0.5, "valve": 0.5}


@pytest.mark.parametrize("names", [("A", "B"), ("Z", "B")])
def test_the_difference_is_direct_less_mirror_whatever_their_names(make_run, names):
    direct, other = names
    run = make_run("run", {direct: GOOD, other: POOR, "C": GOOD}, mirrors={other: direct})
    found = open_candidates(places_of([run]))
    (row,) = mirror(found, replicates=200).rows
    assert (row["direct"], row["mirror"]) == names
    assert row["difference"] == pytest.approx(found.score(direct) - found.score(other))
    assert 0 < row["low"] < row["difference"] < row["high"]
    pair = found.table.filter(found.table["system"].is_in([direct, other]))
    assert row["p"] == differences(pair, 2026, replicates=200, permutations=200)[0].p < 0.05


def test_mirrors_are_found_in_every_run(make_run):
    runs = [make_run(name, {"A": GOOD, "B": POOR}, mirrors={"B": "A"}) for name in ("one", "two")]
    outcome = mirror(open_candidates(places_of(runs)), replicates=100)
    assert [(row["direct"], row["mirror"]) for row in outcome.rows] == [("one/A", "one/B"), ("two/A", "two/B")]


def test_without_a_pair_there_is_nothing_to_compare(make_run):
    run = make_run("run", {"A": GOOD, "B": POOR}, mirrors={"B": "A"})
    for only in (["A"], ["B"]):
        with pytest.raises(EvaluationError, match="out_of_fold_mirror_of = 'A'"):
            mirror(open_candidates(places_of([run], only)))


@pytest.mark.parametrize("by", ["auto", "attribute"])
def test_the_models_of_a_mirror_know_nothing_near_the_fold_that_they_lack(grouped, by):
    """Each train normal's distance is that to the nearest clip outside of its fold and of the gap beside the fold."""
    run = grouped[by]
    ((_, _, clips, held),) = held_out_of(run, "a")
    plan = parse_portfolio(run.about["portfolio"])
    (job,) = score.plan(run.clips, "a", plan, Store(Path(run.about["store"])), installed(), None)
    features = load_features(job.features, job.train)
    apart = distances(features, features, "cosine")
    said = run.scores.filter((pl.col("branch") == "a") & (pl.col("fold") >= 0) & (pl.col("reference") == "pooled"))
    said = dict(said.filter(role="oof").select("clip", "score").rows())
    beside = set()
    for rows, rest in held.folds(tuple(clips["sha256"]), plan.folds, plan.seed):
        for i in rows:
            assert said[clips["clip"][int(i)]] == pytest.approx(apart[i, rest].min(), rel=2.0**-BITS)  # rounded
            if apart[i, rest].min() > np.delete(apart[i], rows).min():
                beside.add(int(i))
        if by == "attribute":
            named = clips["attributes"].to_numpy()
            source = clips["domain"].to_numpy() == "source"
            assert set(named[rows][source[rows]]).isdisjoint(named[rest][source[rest]])
    assert bool(beside) == (by == "auto"), "a gap makes a difference beside stretches, and whole groups need none"
