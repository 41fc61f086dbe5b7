"""Every bundled scorer says its contract once: unfitted it refuses, and a fit that fails leaves it unfitted."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore_plugins.bundled import SCORERS

FRAMES = ("temporal", "patchcore", "padim", "linear_autoencoder", "autoencoder", "normal_relation")


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_before_fit_a_scorer_refuses_and_says_what_to_call(name):
    scorer = asdcore.load_scorer(name)
    with pytest.raises(DataError, match=rf"this {name} has no train normals yet: call fit\(features, domain\) first"):
        scorer.score(np.ones((2, 8), np.float32))
    if hasattr(scorer, "score_left_out"):
        with pytest.raises(DataError, match=f"this {name} has no train normals yet"):
            scorer.score_left_out()


@pytest.mark.filterwarnings("ignore:smote_knn has 15 target clips already:UserWarning")
@pytest.mark.parametrize("name", sorted(SCORERS.keys() - FRAMES))
def test_a_fit_that_fails_forgets_the_earlier_one(name):
    features = np.random.default_rng(0).normal(size=(30, 16)).astype(np.float32)
    scorer = asdcore.load_scorer(name).fit(features, np.repeat(["source", "target"], 15))
    with pytest.raises(DataError):
        scorer.fit(features[:1], np.array(["source"]))
    with pytest.raises(DataError, match="call fit"):
        scorer.score(features)
