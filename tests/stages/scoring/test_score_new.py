"""New clips get the scores that a run would have given them, from the kept states of its scorers alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from asdcore.compute.recipes import feature_recipe
from asdcore.contract.plugins import installed
from asdcore.errors import ManifestError
from asdcore.portfolio import parse_portfolio
from asdcore.stages.scoring.score import assemble, score_together
from asdcore.stages.scoring.score_jobs import plan, together
from asdcore.stages.scoring.score_new import assemble_new, score_new
from asdcore.store.cache import Store
from asdcore.store.tables import SCORES

SCORERS = ["knn", "mahalanobis", "lof", "kmeans"]


def jobs_of(clips, store):
    """Write made-up features of the clips, and return the jobs of every branch, with a mirror of their system."""
    branches = {name: {"encoder": "logmel", "scorer": name} for name in SCORERS}
    systems = {"S": {"weights": dict.fromkeys(SCORERS, 1)}, "M": {"out_of_fold_mirror_of": "S"}}
    choice = parse_portfolio({"name": "p", "folds": 3, "branches": branches, "systems": systems})
    features = store.features(feature_recipe(choice.branches["knn"].parts[0], installed(), None))
    made_up = [np.frombuffer(bytes.fromhex(sha256)[:8], np.uint8).astype(np.float32) for sha256 in clips["sha256"]]
    features.write(clips["sha256"].to_list(), made_up)
    return {name: plan(clips, name, choice, store, installed(), None) for name in SCORERS}


@pytest.fixture
def run(index, tmp_path):
    """A scored run with a mirror: its clips, jobs by branch, and score table."""
    clips, store = index(20, 6, test=5), Store(tmp_path)
    jobs = jobs_of(clips, store)
    for group in together(job for of_branch in jobs.values() for job in of_branch):
        score_together(group)
    tables = [assemble(clips, name, of_branch, store) for name, of_branch in jobs.items()]
    return clips, jobs, pl.concat(tables)


def test_new_clips_get_the_scores_of_the_run_by_every_model(run):
    clips, jobs, table = run
    every = [job for of_branch in jobs.values() for job in of_branch]
    scored = {path: new for group in together(every) for path, new in score_new(group).items()}
    frozen = table.filter(pl.col("role") == "oof")
    assembled = [assemble_new(clips, name, jobs[name], scored, frozen) for name in jobs]
    new = pl.concat([table for table, _ in assembled])
    assert new.sort(SCORES.key).equals(table.sort(SCORES.key))
    probes = [probe for _, of_branch in assembled for probe in of_branch]
    assert all(probe.then and probe.then == probe.now for probe in probes)
    assert {probe.fold for probe in probes} == {-1, 0, 1, 2}


def test_a_state_that_the_store_lacks_is_not_fitted_anew(run):
    _, jobs, _ = run
    (job,) = jobs["knn"]
    job.models()[1].path.unlink()
    with pytest.raises(ManifestError, match="branch 'knn', m section 00.*does not hold the state of its scorer"):
        score_new((job,))


def test_references_that_the_frozen_normals_lack_are_left_out(run):
    clips, jobs, table = run
    frozen = table.filter((pl.col("role") == "oof") & (pl.col("reference") != "target"))
    new, _ = assemble_new(clips, "knn", jobs["knn"], score_new(tuple(jobs["knn"])), frozen)
    assert set(new["reference"]) == set(frozen.filter(pl.col("branch") == "knn")["reference"])
    assert np.isfinite(new["score"].to_numpy()).all()
