"""What no record of a run can hold is refused with the portfolio, not after hours of work."""

from __future__ import annotations

import copy

import pytest

from asdcore.errors import PortfolioError
from asdcore.portfolio import parse_portfolio
from asdcore.store.digests.canonical import MAX_INTEGER, canonical_json

PLAN = {
    "name": "p",
    "seed": 0,
    "branches": {"a": {"encoder": {"name": "logmel"}, "scorer": {"name": "knn", "k": 1}}},
    "systems": {"s": {"weights": {"a": 1.0}}},
}
PLACES = {
    "seed": (),
    "folds": (),
    "k": ("branches", "a", "scorer"),
    "n_mels": ("branches", "a", "encoder"),
    "name": (),
    "text": ("branches", "a", "encoder"),
}


def with_value(key, value):
    plan = copy.deepcopy(PLAN)
    table = plan
    for name in PLACES[key]:
        table = table[name]
    table[key] = value
    return plan


@pytest.mark.parametrize("key", ["seed", "folds", "k", "n_mels"])
@pytest.mark.parametrize("value", [MAX_INTEGER + 1, -(10**20), 10**400, pytest.param(10**5000, id="5000 digits")])
def test_a_whole_number_that_json_does_not_keep_is_named_by_its_key(key, value):
    where = r"\.".join([*PLACES[key], key])
    with pytest.raises(
        PortfolioError, match=rf"{where}: got .*; whole numbers from .* to 2\^53 - 1 are allowed"
    ) as told:
        parse_portfolio(with_value(key, value))
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("key", ["name", "text"])
def test_text_that_is_no_unicode_is_named_by_its_key(key):
    with pytest.raises(PortfolioError, match=rf"{key}: got '\\ud800', which is not text in Unicode"):
        parse_portfolio(with_value(key, "\ud800"))


def test_the_largest_number_and_other_alphabets_are_allowed():
    plan = with_value("text", "Lüfter 風") | {"seed": MAX_INTEGER}
    portfolio = parse_portfolio(plan)
    assert (portfolio.seed, portfolio.branches["a"].encoder.parameters) == (MAX_INTEGER, {"text": "Lüfter 風"})
    assert canonical_json(portfolio.model_dump(mode="json"))


def test_more_trials_than_anyone_makes_are_refused():
    with pytest.raises(PortfolioError, match="trials is 10{40}; at most 10,000 are allowed"):
        parse_portfolio(PLAN).seeds_of_trials(10**40)


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**400, float("inf"), float("nan")])
def test_canonical_json_refuses_what_readers_would_round(number):
    with pytest.raises(ValueError, match="JSON cannot hold the number"):
        canonical_json({"a": number})
