"""An encoder hears at a rate that a recording may have: filters for another take all memory there is."""

from __future__ import annotations

import pytest

from asdcore.components.build import build
from asdcore.errors import PluginError
from asdcore.portfolio import parse_portfolio


@pytest.mark.parametrize("rate", [2, 999, 4_000_001, True, 16000.0, "16000"])
def test_a_rate_that_no_recording_may_have_is_refused_with_the_portfolio(rate):
    plan = {
        "name": "plan",
        "branches": {"a": {"encoder": {"name": "logmel", "sample_rate": rate}, "scorer": "knn"}},
        "systems": {"A": {"weights": {"a": 1.0}}},
    }
    with pytest.raises(
        PluginError, match=r"sample_rate is .*; a whole number of Hz from 1,000 to 4,000,000 is allowed"
    ):
        parse_portfolio(plan).check_components()


@pytest.mark.parametrize("kind", ["encoder", "view"])
def test_frames_of_a_length_that_is_not_whole_are_refused_when_they_are_built(kind):
    name = {"encoder": "logmel", "view": "spectral_subtraction"}[kind]
    with pytest.raises(PluginError, match=r"hop must be a whole number .*, got 256\.0"):
        build(kind, name, {"hop": 256.0})


@pytest.mark.parametrize(("kind", "name"), [("encoder", "logmel"), ("encoder", "melspec"), ("view", "wiener")])
def test_more_bands_than_any_spectrum_has_are_refused_when_they_are_built(kind, name):
    with pytest.raises(PluginError, match="at most 16384"):
        build(kind, name, {"n_mels": 10**9})
