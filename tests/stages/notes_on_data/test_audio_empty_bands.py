"""Recordings at a lower rate than an encoder hears at: it is said which bands hold no sound, and what to write."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore import hookimpl
from asdcore.compute.encoding import built_encoders
from asdcore.contract.plugins import Plugins, offered
from asdcore.data.recordings.audio import resample
from asdcore.portfolio import parse_portfolio
from asdcore.stages.notes_on_data import audio_empty_bands


class Network:
    """Says its rate only when built, from its checkpoint; counts how often it is built."""

    layers, built = (0,), 0

    def __init__(self, weights="small"):
        Network.built += 1
        self.sample_rate = 32000

    def encode(self, audio, layers):
        raise AssertionError("to know its rate it need not run")


class OfItsTraining(Network):
    """Has the parameter, which must be that of its training."""

    def __init__(self, checkpoint, sample_rate=32000):
        raise AssertionError("to know its rate it need not be built")


class OfAnyRate(OfItsTraining):
    any_rate = True


class KnowsRecordings:
    sample_rate, layers, prepare_recording = 16000, (0,), None


class Own:
    @hookimpl
    def register_encoders(self, register):
        for name, factory in {
            "network": Network,
            "trained": OfItsTraining,
            "any": OfAnyRate,
            "knows": KnowsRecordings,
        }.items():
            register(name, factory)


@pytest.fixture
def notes(monkeypatch):
    """A function that returns the notes on clips at these rates, by machine, for branches with these encoders."""
    plugins = Plugins([*offered(), ("own", Own(), "own", "1")])
    monkeypatch.setattr(built_encoders, "installed", lambda: plugins)
    Network.built = 0

    def noted(rates, *encoders):
        parts = {"scorer": {"name": "knn"}, "normalizer": {"name": "mean_std"}}
        branches = {f"b{i}": {"encoder": encoder, **parts} for i, encoder in enumerate(encoders)}
        system = {"weights": dict.fromkeys(branches, 1.0)}
        plan = parse_portfolio({"name": "p", "branches": branches, "systems": {"S": system}})
        rows = [(machine, rate) for machine, given in rates.items() for rate in given]
        clips = pl.DataFrame(rows, schema={"machine": pl.String, "sample_rate": pl.Int32}, orient="row")
        return audio_empty_bands.notes(clips, plan.branches, plugins, None)

    return noted


LOGMEL = {"name": "logmel"}


def test_the_rate_to_write_is_said_once_for_all_branches_of_an_encoder(notes):
    assert notes({"fan": [8000] * 3}, LOGMEL, {**LOGMEL, "pooling": "mean_std"}, {**LOGMEL, "sample_rate": 8000}) == [
        "3 recordings at 8000 Hz heard by encoder 'logmel' at 16000 Hz: its bands above 4000 Hz hold no sound, only "
        "the rounding of resampling, which counts in scores as sound does. Write sample_rate = 8000, n_fft = 512, "
        "hop = 256 (frames last as long as now) in the table of this encoder, in a portfolio of your own. "
        "Branches: b0, b1."
    ]


@pytest.mark.parametrize("rate", [16000, 25600, 48000])
def test_recordings_at_the_rate_of_an_encoder_or_above_need_no_note(notes, rate):
    assert notes({"fan": [rate]}, LOGMEL, {"name": "melspec"}, {"name": "network"}) == []


def test_each_rate_below_has_its_note_with_its_machines(notes):
    told = notes({"fan": [8000, None], "pump": [16000], "valve": [11025, 11025]}, LOGMEL)
    assert ["1 recording at 8000 Hz (fan)" in told[0], "2 recordings at 11025 Hz (valve)" in told[1]] == [True, True]
    assert len(told) == 2
    assert "Write sample_rate = 11024, n_fft = 706, hop = 352 " in told[1], "the rate and frames of logmel are even"
    assert all("in a portfolio for these machines alone" in line for line in told), "the pump would lose its upper half"


def test_a_spectrum_that_ends_below_the_recordings_own_has_no_empty_bands(notes):
    shape = {"name": "psd_shape"}
    assert notes({"fan": [8000]}, shape) == []
    (line,) = notes({"fan": [6000]}, shape)
    assert "bands above 3000 Hz" in line
    assert "n_fft = 3072 (frames last as long as now) and nothing above 3000 Hz in" in line
    assert notes({"fan": [6000]}, {**shape, "high": 2500.0}) == []


def test_a_network_of_one_rate_is_noted_below_the_ordinary_rate_alone(notes):
    assert notes({"fan": [16000]}, {"name": "network"}, {"name": "trained", "checkpoint": "x"}) == []
    assert Network.built == 0, "it takes time to load"
    (line, other) = notes({"fan": [8000]}, {"name": "network"}, {"name": "trained", "checkpoint": "x"})
    assert "at 32000 Hz: its bands above 4000 Hz" in line
    assert "Write" not in line + other, "another rate than that of its training would be wrong"


def test_a_network_of_any_rate_is_told_as_an_encoder_without_network(notes):
    (line,) = notes({"fan": [25600]}, {"name": "any", "checkpoint": "x"})
    assert "Write sample_rate = 25600" in line
    assert notes({"fan": [25600]}, {"name": "any", "checkpoint": "x", "sample_rate": 25600}) == []


def test_what_hears_no_sound_has_no_bands_and_unknown_rates_are_passed_over(notes):
    assert notes({"fan": [8000]}, {"name": "knows"}) == []
    assert notes({"fan": [None]}, LOGMEL, {"name": "network"}) == []
    assert notes({}, LOGMEL) == []


def test_machines_that_a_trained_network_could_tell_by_their_rates_are_said_to_be_such(notes):
    trained = {"name": "discriminative", "network": {"name": "x"}, "loss": {"name": "y"}, "seconds": 6}
    by_rate = "can do so by that alone"
    assert by_rate in notes({"fan": [8000], "pump": [16000]}, trained)[0]
    assert by_rate not in notes({"fan": [8000], "pump": [8000]}, trained)[0]
    assert by_rate not in notes({"fan": [8000], "pump": [16000]}, LOGMEL)[0]


@pytest.mark.parametrize("name", ["logmel", "melspec", "modulation", "coherence", "stereo_logmel", "psd_shape"])
@pytest.mark.parametrize("rate", [4000, 8000, 11025, 12000])
def test_what_is_said_to_be_written_is_what_the_encoder_takes(notes, name, rate):
    for line in notes({"fan": [rate]}, {"name": name}):
        words = re.findall(r"(\w+) = ([0-9]+)", line)
        built = asdcore.load_encoder(
            name, **{word: int(n) for word, n in words}, **({"high": 2000.0} if name == "psd_shape" else {})
        )
        assert built.sample_rate == rate - rate % 2


@pytest.mark.parametrize("name", ["logmel", "modulation"])
def test_of_frames_too_short_for_the_bands_fewer_bands_are_said_to_be_written(notes, name):
    (line,) = notes({"fan": [1000]}, {"name": name})
    assert "(frames last as long as now) and fewer bands in the table of this encoder" in line
    words = {word: int(n) for word, n in re.findall(r"(\w+) = ([0-9]+)", line)}
    with pytest.raises(asdcore.PluginError, match="use fewer bands"):
        asdcore.load_encoder(name, **words)
    assert asdcore.load_encoder(name, **words, n_mels=4).sample_rate == 1000


def test_the_note_is_true_rounding_makes_a_large_part_of_distances_and_none_at_the_own_rate():
    draw = np.random.default_rng(0)
    clips = [0.1 * draw.standard_normal(16000).astype(np.float32) for _ in range(8)]

    def share_above_4_khz(rate):
        encoder = asdcore.load_encoder("logmel", n_mels=64)
        heard = [resample(clip, rate, 16000) for clip in clips]
        features = np.stack([encoder.encode(sound[None])[0].patches[0].mean((0, 2)) for sound in heard])
        apart = ((features[:, None] - features[None]) ** 2).sum((0, 1))
        return apart[48:].sum() / apart.sum()

    assert share_above_4_khz(8000) > 0.2 > 0.15 > share_above_4_khz(16000)
