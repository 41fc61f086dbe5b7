"""Recordings at a higher rate than an encoder hears at: it is said what is not heard, and what to write."""

from __future__ import annotations

import re

import polars as pl
import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.portfolio import parse_portfolio
from asdcore.stages.notes_on_data import audio_above


def notes(rates, *encoders):
    """Return the notes on clips at these rates, for branches with these encoders."""
    parts = {"scorer": {"name": "knn"}, "normalizer": {"name": "mean_std"}}
    branches = {f"b{i}": {"encoder": encoder, **parts} for i, encoder in enumerate(encoders)}
    plan = parse_portfolio(
        {"name": "p", "branches": branches, "systems": {"S": {"weights": dict.fromkeys(branches, 1)}}}
    )
    clips = pl.DataFrame({"sample_rate": rates}, schema={"sample_rate": pl.Int32})
    return audio_above.notes(clips, plan.branches, installed(), None)


LOGMEL = {"name": "logmel"}


def test_what_is_not_heard_is_said_once_for_all_branches_of_an_encoder():
    assert notes([48000, 48000], LOGMEL, {**LOGMEL, "pooling": "mean_std"}, {**LOGMEL, "sample_rate": 48000}) == [
        "2 clips at 48000 Hz heard by encoder 'logmel' at 16000 Hz: what sounds above 8000 Hz is not heard. If a "
        "fault may: write sample_rate = 48000, n_fft = 3072, hop = 1536 (frames last as long as now) in the table of "
        "this encoder, in a portfolio of your own. Branches: b0, b1."
    ]


def test_among_recordings_at_several_rates_those_above_are_told():
    (line,) = notes([16000, 44100, 48000, 48000, None], LOGMEL)
    assert line.startswith("1 clip at 44100 Hz and 2 clips at 48000 Hz heard by encoder 'logmel'")
    assert "in a portfolio for those at that rate alone" in line, "others would get bands without sound"


@pytest.mark.parametrize("rates", [[], [None], [8000], [16000]])
def test_recordings_at_the_rate_of_an_encoder_or_below_need_no_note(rates):
    assert notes(rates, LOGMEL) == []


def test_an_encoder_of_low_frequencies_or_of_one_rate_misses_nothing_that_could_be_asked_for():
    assert notes([48000], {"name": "psd_shape", "high": 2000.0}) == []
    assert notes([48000], {"name": "efficientat", "checkpoint": "mn04_as"}) == []


@pytest.mark.parametrize("name", ["logmel", "melspec", "modulation", "coherence", "stereo_logmel"])
def test_what_is_said_to_be_written_is_what_the_encoder_takes(name):
    (line,) = notes([44100], {"name": name})
    built = asdcore.load_encoder(name, **{word: int(n) for word, n in re.findall(r"(\w+) = ([0-9]+)", line)})
    assert built.sample_rate == 44100
