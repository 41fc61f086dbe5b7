"""Decisions: the train-normal empirical CDF sets the threshold; test scores take no part in it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from asdcore.portfolio import Decision
from asdcore.stages.decide import decide


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
    ("n", "quantile", "rank"), [(100, 0.95, 95), (1000, 0.95, 950), (10, 0.95, 10), (7, 0.5, 4), (1, 0.95, 1)]
)
def test_threshold_is_the_order_statistic_that_reaches_the_quantile(n, quantile, rank):
    normals = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    out = decide(*tables(normals, [0.0, rank, rank + 1e-9]), Decision(quantile=quantile))
    assert set(out["threshold"]) == {float(rank)}
    assert out.sort("clip")["decision"].to_list() == [0, 0, 1]
    assert (normals <= rank).mean() >= quantile
    assert (normals < rank).mean() < quantile


def test_test_scores_take_no_part():
    normals = np.arange(20.0)
    few = decide(*tables(normals, [5.0]), Decision())
    many = decide(*tables(normals, [5.0, *np.full(500, 1e6)]), Decision())
    assert few["threshold"].item() == many["threshold"][0]


def test_each_machine_has_its_own_threshold():
    one, other = tables(np.arange(20.0), [1.0], "a"), tables(100 + np.arange(20.0), [1.0], "b")
    out = decide(pl.concat([one[0], other[0]]), pl.concat([one[1], other[1]]), Decision(quantile=0.5))
    assert out.sort("clip")["threshold"].to_list() == [9.0, 109.0]
