"""Leaks and faults that hide: in extreme clips, in what fit was given, in modules, in the ninth digit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from asdcore import DataError
from asdcore.testing import run_checks

MEMORY = SimpleNamespace(first=None)


class Honest:
    """Distance to the mean of the train normals, left-out scores included."""

    def fit(self, features, domain):
        self.features, self.domain = features, domain
        self.mean = features.mean(axis=0, dtype=np.float64)
        return self

    def score(self, features):
        if not hasattr(self, "mean"):
            raise DataError("fit first")
        return {"pooled": np.linalg.norm(features - self.mean, axis=1)}

    def score_left_out(self):
        n = len(self.features)
        return {"pooled": np.linalg.norm(self.features - self.mean, axis=1) * n / (n - 1)}


class ClipsInPlace(Honest):
    def score(self, features):
        np.clip(features, -20, 20, out=features)
        return super().score(features)


class FloorsSilenceInPlace(Honest):
    def score(self, features):
        features[features == 0] = 1e-6
        return super().score(features)


class SortsDomains(Honest):
    def fit(self, features, domain):
        domain.sort()
        return super().fit(features, domain)


class OverwritesTheBank(Honest):
    def score_left_out(self):
        scores = super().score_left_out()
        self.features[:] = 0
        return scores


class Jitters(Honest):
    def score(self, features):
        scores = super().score(features)["pooled"]
        return {"pooled": scores * (1 + 1e-10 * np.random.default_rng().standard_normal(len(scores)))}


class RemembersInItsModule(Honest):
    def score(self, features):
        scores = super().score(features)["pooled"]
        if MEMORY.first is None:
            MEMORY.first = (scores.mean(), scores.std() + 1.0)
        return {"pooled": (scores - MEMORY.first[0]) / MEMORY.first[1]}


def failed(kind, make):
    return {result.name for result in run_checks(kind, make) if not result.passed}


def test_the_honest_one_passes():
    assert failed("scorer", Honest) == set()


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (ClipsInPlace, "check_input_unchanged"),
        (FloorsSilenceInPlace, "check_input_unchanged"),
        (SortsDomains, "check_input_unchanged"),
        (OverwritesTheBank, "check_input_unchanged"),
        (Jitters, "check_deterministic"),
        (RemembersInItsModule, "check_no_test_set_z_scores"),
    ],
)
def test_a_hidden_fault_of_a_scorer_is_found(make, check):
    assert check in failed("scorer", make)


class Pops:
    """A normalizer that takes what it is given."""

    def fit(self, scores, domain):
        self.median = float(np.median(scores["pooled"]))
        return self

    def transform(self, scores):
        return scores.pop("pooled") - self.median


def test_a_normalizer_that_takes_its_input_away_is_found():
    assert "check_input_unchanged" in failed("normalizer", Pops)
