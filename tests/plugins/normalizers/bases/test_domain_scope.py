"""Which train normals a scope reads, and against which bank."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.normalizers.bases.domain_scope import ScopedNormalizer

DOMAIN = np.array(["source"] * 3 + ["target"] * 2)
TRAIN = {"pooled": np.arange(5.0), "source": 10 + np.arange(5.0), "target": 20 + np.arange(5.0)}


class Noted(ScopedNormalizer):
    """Adds a hundred for each clip it was fitted on, and remembers them."""

    name, fewest = "noted", 2

    def __init__(self, scope, shrinkage=6.0):
        super().__init__(scope, shrinkage)
        self.seen = []

    def _scale(self, scores, which):
        self.seen.append((which, scores.tolist()))
        return 100.0 * len(scores)

    def _target_scale(self, target, source):
        self.seen.append(("drawn", target.tolist(), source.tolist(), self._drawn(len(target))))
        return 200.0

    def _z(self, scale, scores):
        return scores + scale


@pytest.mark.parametrize(
    ("scope", "seen", "z"),
    [
        ("pooled", [("all", [0.0, 1.0, 2.0, 3.0, 4.0])], 501.0),
        ("source", [("source", [10.0, 11.0, 12.0]), ("drawn", [23.0, 24.0], [10.0, 11.0, 12.0], 0.75)], 302.0),
        ("target", [("source", [10.0, 11.0, 12.0]), ("drawn", [23.0, 24.0], [10.0, 11.0, 12.0], 0.75)], 203.0),
        ("domain_min", [("source", [10.0, 11.0, 12.0]), ("drawn", [23.0, 24.0], [10.0, 11.0, 12.0], 0.75)], 203.0),
    ],
)
def test_each_scope_reads_its_domain_against_its_bank(scope, seen, z):
    noted = Noted(scope).fit(TRAIN, DOMAIN)
    assert noted.seen == seen
    clips = {"pooled": np.array([1.0]), "source": np.array([2.0]), "target": np.array([3.0])}
    assert noted.transform(clips).tolist() == [z]


def test_without_a_bank_of_its_own_a_domain_is_scored_against_the_pooled_one():
    noted = Noted("domain_min").fit({"pooled": TRAIN["pooled"]}, DOMAIN)
    assert noted.seen == [("source", [0.0, 1.0, 2.0]), ("drawn", [3.0, 4.0], [0.0, 1.0, 2.0], 0.75)]
    assert noted.transform({"pooled": np.array([1.0])}).tolist() == [201.0]


def test_a_domain_with_too_few_clips_is_left_out():
    noted = Noted("domain_min").fit({name: scores[:4] for name, scores in TRAIN.items()}, DOMAIN[:4])
    assert noted.seen == [("source", [10.0, 11.0, 12.0])]
    alone = Noted("domain_min").fit({name: scores[2:] for name, scores in TRAIN.items()}, DOMAIN[2:])
    assert alone.seen == [("target", [23.0, 24.0])]


@pytest.mark.parametrize(
    ("scope", "kept", "message"),
    [
        ("target", slice(None, 4), "target needs at least 2 train normals of the target domain"),
        ("source", slice(2, None), "source needs at least 2 train normals of the source domain"),
        ("domain_min", slice(2, 4), "domain_min needs at least 2 train normals of the source or the target domain"),
    ],
)
def test_too_few_clips_are_refused_and_an_earlier_fit_forgotten(scope, kept, message):
    noted = Noted(scope).fit(TRAIN, DOMAIN)
    with pytest.raises(DataError, match=message):
        noted.fit({name: scores[kept] for name, scores in TRAIN.items()}, DOMAIN[kept])
    with pytest.raises(DataError, match=r"this noted has no train normals yet: call fit\(scores, domain\) first"):
        noted.transform(TRAIN)


@pytest.mark.parametrize("shrinkage", [-1, float("inf"), True, "much"])
def test_bad_shrinkage(shrinkage):
    with pytest.raises(ValueError, match=f"shrinkage must be a number of at least 0, got {shrinkage!r}"):
        Noted("pooled", shrinkage)
