"""The windows of a portfolio: their defaults, what is refused, and that a portfolio without any stays what it was."""

from __future__ import annotations

import pytest

from asdcore.errors import PortfolioError
from asdcore.portfolio import Portfolio, parse_portfolio

PLAIN = {
    "name": "p",
    "branches": {"a": {"encoder": "logmel", "scorer": "knn"}},
    "systems": {"s": {"weights": {"a": 1.0}}},
}


def windows(**given):
    return parse_portfolio({**PLAIN, "windows": given}).windows


def test_without_a_hop_windows_lie_side_by_side():
    assert (windows(seconds=10).seconds, windows(seconds=10).hop) == (10.0, 10.0)
    assert windows(seconds=10, hop=2.5).hop == 2.5


def test_windows_count_and_their_absence_changes_nothing():
    plain = parse_portfolio(PLAIN)
    assert "windows" not in plain.model_dump(mode="json")
    cut = plain.in_windows(10)
    assert cut.digest != plain.digest
    assert Portfolio.model_validate(cut.model_dump(mode="json")) == cut


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"seconds": 0}, "windows.seconds: Input should be greater than or equal to 0.01, got 0"),
        ({"seconds": 1e6}, "windows.seconds: Input should be less than or equal to 86400"),
        ({"seconds": float("nan")}, "windows.seconds"),
        ({"seconds": 2, "hop": 0}, "windows.hop: Input should be greater than or equal to 0.01"),
        ({"seconds": 2, "hop": 3}, "windows: windows of 2 s begin every 3 s, so sound between them would not be heard"),
        ({"hop": 3}, "windows.seconds: this key is needed"),
        ({"seconds": 2, "overlap": 0.5}, "windows.overlap: no such key. Choose one of"),
    ],
)
def test_every_mistake_names_its_key(given, problem):
    with pytest.raises(PortfolioError) as refused:
        windows(**given)
    assert problem.split(". Choose")[0] in str(refused.value)


@pytest.mark.parametrize(("seconds", "hop"), [(0, None), (2, 3), (float("inf"), None)])
def test_asked_for_by_hand_they_are_checked_too(seconds, hop):
    with pytest.raises(PortfolioError, match="windows"):
        parse_portfolio(PLAIN).in_windows(seconds, hop)
