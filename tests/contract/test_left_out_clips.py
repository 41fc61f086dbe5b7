"""Which fitted clips the score of each must not rest on: read, and done the plain way."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError, Without, left_out_by_refit, load_scorer


def test_nothing_said_leaves_each_clip_out_alone():
    gone = Without(None, 3)
    assert gone.alone
    assert gone.mask(np.array([0, 2])).tolist() == [[True, False, False], [False, False, True]]


def test_sets_hold_the_clip_itself_and_equal_ones_are_one():
    rows = np.array([[0, 1], [0, 1], [3, 2], [2, 3]])
    gone = Without(rows, 4)
    assert [some.tolist() for some in gone.sets] == [[0, 1], [2, 3]]
    assert gone.of.tolist() == [0, 0, 1, 1]
    assert not gone.alone
    assert gone.fewest_left(np.array([0, 2, 3])) == 1
    assert Without([np.array([1]), np.array([], int)], 2).sets[0].tolist() == [0, 1]


def test_places_among_some_of_the_clips():
    gone = Without([np.array([0, 1]), np.array([0, 1]), np.array([2, 3]), np.array([1, 3])], 4)
    assert [some.tolist() for some in gone.among(np.array([1, 3]))] == [[0], [0, 1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([np.array([0])] * 2, "2 arrays for 3 fitted clips"),
        ([np.array([0]), np.array([3]), np.array([2])], "names the clips 3 to 3"),
        ([np.array([-1]), np.array([1]), np.array([2])], "names the clips -1 to -1"),
        ([np.array([0.5]), np.array([1]), np.array([2])], "whole numbers, got \\(1,\\) float64"),
    ],
)
def test_what_is_no_set_of_the_clips_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Without(rows, 3)


def test_refitting_is_what_a_closed_form_has_to_equal():
    rng = np.random.default_rng(0)
    train, domain = rng.normal(size=(30, 6)).astype(np.float32), np.array(["source"] * 22 + ["target"] * 8)
    rows = [np.arange(max(0, i - 2), min(30, i + 3)) for i in range(30)]
    expected = load_scorer("mahalanobis").fit(train, domain).score_left_out(without=rows)["pooled"]

    def fit(rest):
        return load_scorer("mahalanobis").fit(train[rest], domain[rest])

    got = left_out_by_refit(fit, lambda fitted, _, clips: fitted.score(train[clips]), Without(rows, 30))
    np.testing.assert_allclose(got["pooled"], expected, rtol=1e-9)
    with pytest.raises(DataError, match="train normal 0 keeps 1 of 30: mahalanobis needs at least 4"):
        left_out_by_refit(fit, lambda *_: {}, Without([np.arange(29)] * 30, 30))
