"""What is made of a distribution function: mixtures, and three outputs that agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from asdcore_plugins.normalizers.bases.by_distribution import Mixture, expressed


class Gaussian:
    """scipy's normal distribution as the Protocol has it."""

    def __init__(self, mean):
        self._of = norm(loc=mean)

    def below(self, scores):
        return self._of.cdf(scores)

    def log_above(self, scores):
        return self._of.logsf(scores)


SCORES = np.linspace(-30, 30, 301)


def test_the_normal_output_of_a_gaussian_is_the_score_itself_in_both_tails():
    assert np.allclose(expressed(Gaussian(0.0), "normal", SCORES), SCORES, rtol=1e-9, atol=1e-9)


def test_surprise_goes_on_where_the_probability_has_run_out():
    probability, surprise = (expressed(Gaussian(0.0), output, SCORES) for output in ("probability", "surprise"))
    assert (probability[SCORES > 9] == 1.0).all()
    assert (np.diff(surprise[SCORES > 9]) > 0).all()
    middle = np.abs(SCORES) < 5
    assert np.allclose(surprise[middle], -np.log1p(-probability[middle]), rtol=1e-7)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_mixture_adds_both_sides(share):
    mixture, first, second = Mixture(Gaussian(0.0), Gaussian(4.0), share), Gaussian(0.0), Gaussian(4.0)
    below = (1 - share) * first.below(SCORES) + share * second.below(SCORES)
    above = (1 - share) * np.exp(first.log_above(SCORES)) + share * np.exp(second.log_above(SCORES))
    assert np.allclose(mixture.below(SCORES), below, rtol=1e-13)
    assert np.allclose(np.exp(mixture.log_above(SCORES)), above, rtol=1e-10)
