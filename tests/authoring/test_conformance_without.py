"""Scorers that leave out less than they are told to: every one is named, and an honest one passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asdcore import Without, load_scorer
from asdcore.testing import checks

CHECK = "check_left_out_without_matches_refit"


class Ratio:
    """Distance to the nearest train normal over that one's distance to its nearest other, in the pooled reference.

    Honest: whoever a train normal must not rest on is no neighbour of it, nor what a density rests on.
    """

    def fit(self, features: Any, domain: Any, without: Any = None) -> Ratio:
        self.bank = features.reshape(len(features), -1).astype(float)
        self.apart = Without(without, len(self.bank)).mask(np.arange(len(self.bank)))
        self.density = self._densities(np.zeros(len(self.bank), bool))
        return self

    def _far(self) -> Any:
        return np.sqrt(np.square(self.bank[:, None] - self.bank).sum(axis=2))

    def _densities(self, gone: Any) -> Any:
        return np.where(self.apart | gone, np.inf, self._far()).min(axis=1)

    def score(self, features: Any) -> Any:
        rows = features.reshape(len(features), -1).astype(float)
        far = np.sqrt(np.square(rows[:, None] - self.bank).sum(axis=2))
        return {"pooled": (far / self.density).min(axis=1)}

    def score_left_out(self, without: Any = None) -> Any:
        gone, far = self.gone(without).mask(np.arange(len(self.bank))), self._far()
        scores = np.empty(len(far))
        for i, some in enumerate(gone):
            scores[i] = (far[i] / self.densities_left_out(some))[~some].min()
        return {"pooled": scores}

    def gone(self, without: Any) -> Without:
        return Without(without, len(self.bank))

    def densities_left_out(self, gone: Any) -> Any:
        return self._densities(gone)


class Ignores(Ratio):
    """Leaves out each clip alone, whatever it is told."""

    def gone(self, without: Any) -> Without:
        return super().gone(None)


class LeavesHalf(Ratio):
    """Leaves out the first half of what it is told."""

    def gone(self, without: Any) -> Without:
        return super().gone(None if without is None else [some[: len(some) // 2] for some in without])


class ForgetsOne(Ratio):
    """Leaves out all but the last of the clips it is told."""

    def gone(self, without: Any) -> Without:
        return super().gone(None if without is None else [some[:-1] for some in without])


class ByPosition(Ratio):
    """Takes neighbours in the order of fit for what it is told."""

    def gone(self, without: Any) -> Without:
        if without is None:
            return super().gone(None)
        n = len(without)
        return super().gone([np.arange(max(0, i - 3), min(n, i + 4)) for i in range(n)])


class DenseAsEver(Ratio):
    """Keeps densities that rest on the clips it is told to leave out."""

    def densities_left_out(self, gone: Any) -> Any:
        return self.density


class DensityForgetsFit(Ratio):
    """Leaves the clip's own set out, but lets a train normal's density rest on its own neighbours."""

    def densities_left_out(self, gone: Any) -> Any:
        alone = np.eye(len(self.bank), dtype=bool)
        return np.where(alone | gone, np.inf, self._far()).min(axis=1)


class WithItself(Ratio):
    """Scores a clip that is not named in its own set against itself."""

    def score_left_out(self, without: Any = None) -> Any:
        scores = super().score_left_out(without)["pooled"]
        unnamed = [] if without is None else [i for i, some in enumerate(without) if i not in some]
        scores[unnamed] = 0.0
        return {"pooled": scores}


def test_the_honest_one_passes() -> None:
    for name, check in checks("scorer").items():
        if "left_out" in name or "without" in name:
            check(Ratio)


@pytest.mark.parametrize(
    "fault", [Ignores, LeavesHalf, ForgetsOne, ByPosition, DenseAsEver, DensityForgetsFit, WithItself]
)
def test_whoever_leaves_out_too_little_is_named(fault: Any) -> None:
    with pytest.raises(AssertionError, match=r"Without \d+ clips, the pooled score of train clip"):
        checks("scorer")[CHECK](fault)


def test_a_scorer_without_the_parameter_passes() -> None:
    class Unable:
        def __init__(self) -> None:
            self._knn = load_scorer("knn")

        def fit(self, features: Any, domain: Any) -> Unable:
            self._knn.fit(features, domain)
            return self

        def score(self, features: Any) -> Any:
            return self._knn.score(features)

        def score_left_out(self) -> Any:
            return self._knn.score_left_out()

    for name in ("check_without_is_taken_as_a_whole", CHECK, "check_distances_agree_without_clips"):
        checks("scorer")[name](Unable)
