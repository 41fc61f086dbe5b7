"""One channel or two: views and encoders that fit each other, and what those that do not are told before any work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asdcore
from asdcore import DataError, PluginError, PortfolioError
from asdcore.compute.encoding import built_encoders, encoding
from asdcore.compute.encoding.requests import Output, Request
from asdcore.data.recordings.audio import resample

OUTPUT = Output(None, "mean", "{}", Path("nowhere"))


def request(view, encoder, **parameters):
    return Request(view, "{}", encoder, json.dumps(parameters), (OUTPUT,))


def stereo(n_samples=8000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((2, n_samples))).astype(np.float32)


@pytest.fixture
def odd(monkeypatch):
    """Put an object in the place of every view, or of every encoder."""

    def put(kind, component):
        room = built_encoders if kind == "encoder" else encoding
        monkeypatch.setattr(room, f"_{kind}", lambda *given: component)

    return put


def test_views_and_encoders_of_as_many_channels_fit():
    encoding.check(
        [request("near", "logmel"), request("stereo", "coherence"), request("stereo", "stereo_logmel")], None
    )


@pytest.mark.parametrize(
    ("view", "encoder", "message"),
    [
        ("near", "coherence", r"view 'near' gives 1 channel, and encoder 'coherence' reads 2 channels\. .*: stereo\."),
        (
            "stereo",
            "logmel",
            r"view 'stereo' gives 2 channels, and encoder 'logmel' reads 1 channel\. .*far, mean, near",
        ),
    ],
)
def test_a_view_that_does_not_fit_its_encoder_is_refused_with_those_that_do(view, encoder, message):
    with pytest.raises(PortfolioError, match=message):
        encoding.check([request("near", "logmel"), request(view, encoder)], None)


def test_nothing_is_computed_before_a_view_is_found_not_to_fit(dataset, tmp_path):
    portfolio = tmp_path / "odd.toml"
    portfolio.write_text(
        'name = "odd"\n[branches.fine]\nencoder = "logmel"\nscorer = "knn"\n'
        '[branches.odd]\nview = "far"\nencoder = "stereo_logmel"\nscorer = "knn"\n'
        "[systems.s]\nweights = { fine = 1.0, odd = 1.0 }\n"
    )
    with pytest.raises(PortfolioError, match="view 'far' gives 1 channel, and encoder 'stereo_logmel' reads 2"):
        asdcore.run(portfolio, data=dataset, out=tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    assert not (tmp_path / "store" / "features").exists()


@pytest.mark.parametrize("channels", [0, 3, "2", None])
def test_a_count_of_channels_that_is_not_allowed_is_a_fault_of_the_plugin(odd, channels):
    odd("encoder", type("Odd", (), {"channels": channels, "sample_rate": 16000, "layers": [0]})())
    with pytest.raises(PluginError, match=r"encoder 'odd' says channels = .*; 1 or 2 is allowed"):
        encoding.check([request("near", "odd")], None)
    odd("view", type("Odd", (), {"channels": channels})())
    with pytest.raises(PluginError, match=r"view 'odd' says channels = .*; 1 or 2 is allowed"):
        encoding.waveform("odd", "{}", stereo(), 16000)


@pytest.mark.parametrize(
    ("channels", "made", "allowed"),
    [
        (1, (2, 100), r"\(n_samples,\)"),
        (1, (0,), r"\(n_samples,\)"),
        (1, (), r"\(n_samples,\)"),
        (2, (100,), r"\(2, n_samples\)"),
        (2, (1, 100), r"\(2, n_samples\)"),
        (2, (2, 0), r"\(2, n_samples\)"),
        (2, (1, 2, 100), r"\(2, n_samples\)"),
    ],
)
def test_a_view_is_held_to_its_channels(odd, channels, made, allowed):
    def view(audio, rate):
        return np.zeros(made, np.float32)

    view.channels = channels
    odd("view", view)
    with pytest.raises(PluginError, match=rf"gave an array {re.escape(str(made))}; {allowed} is the contract"):
        encoding.waveform("odd", "{}", stereo(), 16000)


def test_samples_of_either_channel_must_be_finite():
    audio = stereo()
    audio[1, 7] = np.nan
    assert encoding.waveform("near", "{}", audio, 16000).shape == (8000,)
    with pytest.raises(DataError, match="not all finite"):
        encoding.waveform("stereo", "{}", audio, 16000)


def test_both_channels_are_resampled_each_by_itself():
    audio = stereo(44_100)
    wanted = np.stack([resample(channel, 44_100, 16_000) for channel in audio])[None]
    (prepared,) = encoding.prepare(audio, 44_100, [request("stereo", "stereo_logmel")], None)
    assert prepared.shape == (1, 2, 16_000)
    assert np.array_equal(prepared, wanted)
    (features,) = encoding.encode([[prepared]], [request("stereo", "stereo_logmel")], None)
    tokens = asdcore.load_encoder("stereo_logmel").encode(wanted, [0])[0].patches
    assert np.allclose(features[OUTPUT], tokens[0].mean(axis=0).ravel(), rtol=1e-6)


def test_two_channels_reach_the_halves_of_an_encoder(odd):
    class Halves:
        channels, sample_rate, layers = 2, 16000, [0]

        def prepare(self, audio):
            assert audio.shape == (1, 2, 8000)
            return audio[:, :, :10]

        def encode_prepared(self, prepared, layers):
            return [{0: asdcore.Tokens(one.transpose(0, 2, 1)[:, :, None])} for one in prepared]

    odd("encoder", Halves())
    halves, audio = request("stereo", "halves"), stereo()
    encoding.check([halves], None)
    (features,) = encoding.encode([encoding.prepare(audio, 16000, [halves], None)], [halves], None)
    assert np.allclose(features[OUTPUT], audio[:, :10].mean(axis=1), rtol=1e-6)


def test_near_and_stereo_branches_run_side_by_side(dataset, tmp_path):
    portfolio = tmp_path / "both.toml"
    short = "n_fft = 256, hop = 64, seconds = 0.1"
    portfolio.write_text(
        'name = "both"\n[branches.near]\nencoder = "logmel"\nscorer = "knn"\n'
        f'[branches.relation]\nview = "stereo"\nencoder = {{ name = "coherence", n_bands = 4, {short} }}\n'
        'scorer = "knn"\n[systems.s]\nweights = { near = 0.5, relation = 0.5 }\n'
    )
    run = asdcore.run(portfolio, data=dataset, out=tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    assert run.systems["score"].is_finite().all()
    assert len(list((tmp_path / "store" / "features").iterdir())) == 2


def test_mono_recordings_are_refused_by_name(tmp_path, make_dataset):
    root = make_dataset(tmp_path / "data", ("fan",), source=3, target=1, test=1, channels=1)
    audio, rate = soundfile.read(next(root.rglob("*.wav")), dtype="float32", always_2d=True)
    with pytest.raises(
        DataError, match=r"'stereo' needs a near and a far channel, but the recording has 1\. Use .*'near'"
    ):
        encoding.waveform("stereo", "{}", audio.T, rate)


class Exact:
    """Two frames that cancel but for what float32 does not hold, and a value of more than 16 bits."""

    sample_rate, layers = 16000, [0]

    def __init__(self, exact, patches="float64", special="float64"):
        self.exact, self.types = exact, (patches, special)

    def encode(self, audio, layers):
        patches = np.array([[1e8 + 1.0, 1.0 + 2.0**-18], [-1e8, 1.0 + 2.0**-18]])
        return {0: asdcore.Tokens(patches.reshape(1, 2, 1, 2).astype(self.types[0]), np.ones((1, 1, 2), self.types[1]))}


def test_tokens_of_an_exact_encoder_are_pooled_in_float64_and_rounded_to_16_bits(odd):
    pooled = {}
    for exact in (True, False):
        odd("encoder", Exact(exact))
        (features,) = encoding.encode([[stereo()[:1]]], [request("near", "exact")], None)
        pooled[exact] = features[OUTPUT].tolist()
        assert features[OUTPUT].dtype == np.float32
    assert pooled == {True: [0.5, 1.0], False: [0.0, 1.0 + 2.0**-18]}


@pytest.mark.parametrize("types", [("float32", "float64"), ("float64", "float32")])
def test_an_exact_encoder_whose_tokens_are_not_float64_is_a_fault_of_the_plugin(odd, types):
    odd("encoder", Exact(True, *types))
    what = "patches" if types[0] == "float32" else "special tokens"
    with pytest.raises(PluginError, match=rf"says exact = True and gave {what} of float32; float64 is the contract"):
        encoding.encode([[stereo()[:1]]], [request("near", "exact")], None)


def test_what_a_plugin_does_in_place_reaches_no_other_branch(monkeypatch):
    """A view that takes the mean away, or an encoder that normalizes, does so to sound of its own."""

    def centres(audio, rate):
        audio -= 1.0
        return audio[0]

    class Louder:
        sample_rate, layers = 16000, [0]

        def encode(self, audio, layers):
            audio *= 100.0
            return encoder.encode(audio, [0])

    encoder, build_view, build_encoder = asdcore.load_encoder("logmel"), encoding._view, built_encoders._encoder
    monkeypatch.setattr(
        encoding, "_view", lambda name, given: centres if name == "centres" else build_view(name, given)
    )
    monkeypatch.setattr(
        built_encoders, "_encoder", lambda name, *given: Louder() if name == "louder" else build_encoder(name, *given)
    )
    innocent, sound = request("near", "logmel"), stereo()
    (alone,) = encoding.encode([encoding.prepare(sound.copy(), 16000, [innocent], None)], [innocent], None)
    beside = [request("centres", "logmel"), request("near", "louder"), innocent]
    prepared = encoding.prepare(sound, 16000, beside, None)
    assert np.array_equal(sound, stereo())
    encoding.encode([prepared], beside[:2], None)
    (again,) = encoding.encode([prepared[2:]], [innocent], None)
    assert np.array_equal(again[OUTPUT], alone[OUTPUT])


@pytest.mark.parametrize("values", [np.ones(100, complex), np.ones(100, object)])
def test_samples_of_a_view_and_tokens_of_an_encoder_are_real_numbers(odd, values):
    """An inverse Fourier transform gives complex samples, whose imaginary part a conversion would drop."""
    odd("view", lambda audio, rate: values)
    with pytest.raises(PluginError, match=f"the view gave samples of type {values.dtype}; real numbers are"):
        encoding.waveform("odd", "{}", stereo(), 16000)
    tokens = asdcore.Tokens(values.reshape(1, 10, 1, 10))
    odd("encoder", type("Odd", (), {"sample_rate": 16000, "layers": [0], "encode": lambda *_: {0: tokens}})())
    wanted = request("near", "odd")
    with pytest.raises(PluginError, match=f"the encoder gave .* of type {values.dtype}; real numbers are"):
        encoding.encode([[np.zeros((1, 100), np.float32)]], [wanted], None)
