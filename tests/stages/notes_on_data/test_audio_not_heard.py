"""What an encoder does not hear of long clips is said: how much of the audio, in how many clips, by which branches."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore import hookimpl
from asdcore.compute.encoding import built_encoders
from asdcore.contract.plugins import Plugins, offered
from asdcore.portfolio import parse_portfolio
from asdcore.stages.notes_on_data import audio_not_heard

EAT = Path(__file__).parents[2] / "golden" / "encoders" / "eat" / "hf_pretrain"


class Short:
    """Hears 2 s, or all; counts how often it is built."""

    sample_rate, layers, hears, built = 8000, (0,), None, 0

    def __init__(self, beyond="windows", seconds=2.0):
        Short.built += 1
        self.hears = seconds if beyond == "cut" else None

    def encode(self, audio, layers):
        raise AssertionError("to know what it hears it need not run")


class Fixed:
    """Says before it is built that it hears 1.5 s."""

    sample_rate, layers, hears = 8000, (0,), 1.5

    def __init__(self):
        raise AssertionError("to know what it hears it need not be built")


class Own:
    @hookimpl
    def register_encoders(self, register):
        register("short", Short)
        register("fixed", Fixed)
        register("cutting", lambda beyond="cut": Short(beyond))


@pytest.fixture
def notes(monkeypatch):
    """A function that returns the notes on clips of so many seconds for branches with these encoders."""
    known = Plugins([*offered(), ("own", Own(), "own", "1")])
    monkeypatch.setattr(built_encoders, "installed", lambda: known)
    built_encoders._encoder.cache_clear()
    Short.built = 0

    def told(seconds, **encoders):
        parts = {"scorer": {"name": "knn"}, "normalizer": {"name": "mean_std"}}
        made = {name: {"encoder": encoder, **parts} for name, encoder in encoders.items()}
        system = {"weights": dict.fromkeys(made, 1.0)}
        plan = parse_portfolio({"name": "p", "branches": made, "systems": {"S": system}})
        samples = [None if one is None else round(16000 * one) for one in seconds]
        schema = {"n_samples": pl.Int64, "sample_rate": pl.Int64}
        facts = {"n_samples": samples, "sample_rate": [16000] * len(samples)}
        clips = pl.DataFrame(facts, schema=schema).with_columns(machine=pl.lit("fan"))
        return audio_not_heard.notes(clips, plan.branches, known, None)

    yield told
    built_encoders._encoder.cache_clear()


CUT = {"name": "short", "beyond": "cut"}


def test_the_share_of_the_audio_and_the_clips_are_said_once_for_all_branches_of_an_encoder(notes):
    found = notes([2.0, 6.0, 1.0, 3.0], a=CUT, b={**CUT, "layer": 0}, c={"name": "short"}, d={"name": "logmel"})
    assert found == [
        "encoder 'short' hears 2 s of a clip: 41.7% of the audio, the rest of 2 of 4 clips, is not heard. With "
        "beyond = 'windows' it hears all. Branches: a, b."
    ]


def test_where_all_is_heard_nothing_is_said_and_no_encoder_built_that_was_not_asked_to_cut(notes):
    assert notes([2.0, 1.0], a=CUT, b={"name": "short"}, c={"name": "logmel"}) == []
    assert Short.built == 1
    assert notes([60.0], b={"name": "short"}, c={"name": "short", "beyond": "windows"}) == []
    assert Short.built == 1


def test_what_an_encoder_says_before_it_is_built_is_taken(notes):
    (line,) = notes([3.0], a={"name": "fixed"})
    assert line == (
        "encoder 'fixed' hears 1.5 s of a clip: 50.0% of the audio, the rest of 1 of 1 clips, is not heard. "
        "Branches: a."
    )


def test_a_parameter_that_cuts_by_default_counts(notes):
    assert "33.3% of the audio" in notes([3.0], a={"name": "cutting"})[0]
    assert notes([3.0], a={"name": "cutting", "beyond": "windows"}) == []


def test_a_small_share_does_not_look_like_none_and_unread_clips_count_for_nothing(notes):
    (line,) = notes([2.001, *[2.0] * 40, None], a=CUT)
    assert "less than 0.1% of the audio, the rest of 1 of 41 clips" in line
    assert notes([None, None], a=CUT) == []
    assert notes([], a=CUT) == []


def test_a_run_says_it_and_its_report_too(dataset, tmp_path):
    # 16 frames of 10 ms are heard, fewer than a quarter of a second.
    encoder = {"name": "eat", "checkpoint": str(EAT), "num_heads": 4, "target_length": 16, "beyond": "cut"}
    parts = {"scorer": {"name": "knn"}, "normalizer": {"name": "mean_std"}}
    made = {"name": "p", "branches": {"a": {"encoder": encoder, **parts}}, "systems": {"S": {"weights": {"a": 1.0}}}}
    run = asdcore.run(parse_portfolio(made), dataset, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    said = [line for line in run.about["notes"] if "is not heard" in line]
    assert said == [
        "encoder 'eat' hears 0.1849 s of a clip: 26.0% of the audio, the rest of 80 of 80 clips, is not heard. With "
        "beyond = 'windows' it hears all. Branches: a."
    ]
    page = asdcore.report(run, tmp_path / "report.html").read_text()
    assert "26.0% of the audio, the rest of 80 of 80 clips, is not heard" in page
    made["branches"]["a"]["encoder"] = {**encoder, "beyond": "windows"}
    run = asdcore.run(parse_portfolio(made), dataset, tmp_path / "all", task="dcase2026", store=tmp_path / "store")
    assert not any("is not heard" in line for line in run.about["notes"])
