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


class ThroughTheBase(Honest):
    """Reads the batch that its clip is a view of."""

    def score(self, features):
        scores = super().score(features)["pooled"]
        if features.base is not None:
            scores = scores - super().score(features.base)["pooled"].mean()
        return {"pooled": scores}


class Standard:
    """z of the pooled scores."""

    def fit(self, scores, domain):
        self.mean, self.deviation = scores["pooled"].mean(), scores["pooled"].std() + 1e-9
        return self

    def transform(self, scores):
        if not hasattr(self, "mean"):
            raise DataError("fit first")
        return (scores["pooled"] - self.mean) / self.deviation


class FaintBatch(Standard):
    def transform(self, scores):
        return super().transform(scores) * (1.0 + 1e-9 * np.tanh(scores["pooled"].mean()))


class FaintMemory(Standard):
    n = 0

    def transform(self, scores):
        self.n += 1
        return super().transform(scores) * (1.0 + 1e-10 * self.n)


class Nothing:
    """A guard that takes nothing back."""

    def fit(self, base, z, domain):
        self.median, self.top = np.median(base), np.quantile(base, 0.95)
        return self

    def penalty(self, base, z):
        if not hasattr(self, "top"):
            raise DataError("fit first")
        return np.maximum(base - self.top, 0.0) * 0.5


class FaintQuantile(Nothing):
    def penalty(self, base, z):
        return super().penalty(base, z) * (1.0 + 1e-9 * np.quantile(base, 0.9))


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
        (ThroughTheBase, "check_no_way_to_other_rows"),
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


@pytest.mark.parametrize(("kind", "make"), [("normalizer", Standard), ("guard", Nothing)])
def test_honest_parts_that_work_element_by_element_pass(kind, make):
    assert failed(kind, make) == set()


@pytest.mark.parametrize(
    ("kind", "make", "check"),
    [
        ("normalizer", FaintBatch, "check_no_batch_statistics"),
        ("normalizer", FaintMemory, "check_no_memory_between_calls"),
        ("guard", FaintQuantile, "check_no_batch_statistics"),
    ],
)
def test_a_leak_in_the_ninth_digit_of_element_by_element_arithmetic_is_found(kind, make, check):
    assert check in failed(kind, make)
