"""A threshold from a small bank's own scores holds for new clips of the same machine, by every scorer.

A fifth of new normals should lie above the 0.8 quantile of out-of-fold scores. A rate far above it means false alarms
that were not promised: something of a scorer depends on how many clips are left, and not on the clips.
"""

from __future__ import annotations

import numpy as np
import pytest

import asdcore

QUANTILE, NEW, BANKS = 0.8, 60, 8

LOWEST, HIGHEST = 0.05, 0.33
"""Of a fifth: with fewer clips left, thresholds come out rather high. That of 8 banks of 10 clips varies by 0.05."""

LEFT_OUT = {
    "aldn": {},
    "ced": {},
    "kde": {},
    "knn": {},
    "ldn": {"k": 16},
    "lof": {},
    "mahalanobis": {},
    "memmixup": {},
    "varmin": {},
}
"""Scorers that leave clips out themselves. Others are fitted anew in folds."""

IN_FOLDS = {"kmeans": {"k": 2}, "ocsvm": {}, "pca_residual": {}}


def made(draw, n):
    """(n, 20) features of normals."""
    return draw.normal(3.0, 1.0, (n, 20)).astype(np.float32)


def rate_above(own_scores, n):
    """The share of new clips above the quantile of a bank's own scores, over several banks.

    own_scores : gives the fitted scorer, and the scores of its own clips.
    """
    draw, above = np.random.default_rng(0), []
    for _ in range(BANKS):
        scorer, own = own_scores(made(draw, n))
        above.append(np.mean(scorer.score(made(draw, NEW))["pooled"] > np.quantile(own, QUANTILE)))
    return np.mean(above)


@pytest.mark.parametrize(("n", "beside"), [(10, 0), (20, 1), (40, 0), (70, 4)])
@pytest.mark.parametrize("name", LEFT_OUT)
def test_clips_left_out_alone_or_with_those_beside_them_score_as_new_clips_do(name, n, beside):
    without = [np.arange(max(0, i - beside), min(n, i + beside + 1)) for i in range(n)]

    def left_out(train):
        scorer = asdcore.load_scorer(name, references=["pooled"], **LEFT_OUT[name]).fit(train, np.full(n, "source"))
        return scorer, scorer.score_left_out(**({"without": without} if beside else {}))["pooled"]

    assert LOWEST < rate_above(left_out, n) < HIGHEST


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("name", IN_FOLDS)
def test_clips_scored_in_folds_do_not_raise_more_alarms(name, n):
    fold = np.arange(n) % 5

    def fitted(train):
        return asdcore.load_scorer(name, references=["pooled"], **IN_FOLDS[name]).fit(
            train, np.full(len(train), "source")
        )

    def in_folds(train):
        scores = [(fold == f, fitted(train[fold != f]).score(train[fold == f])["pooled"]) for f in range(5)]
        own = np.empty(n)
        for rows, values in scores:
            own[rows] = values
        return fitted(train), own

    assert LOWEST < rate_above(in_folds, n) < HIGHEST
