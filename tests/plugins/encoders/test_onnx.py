"""Any ONNX or TFLite model as an encoder: a small ONNX model made here, and the real YAMNet where it is at hand."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import checks
from asdcore_plugins.nn.front_ends.sound import InMemory

FLOAT = 1  # TensorProto's number
EMBEDDING = "yamnet_frames/global_average_pooling2d/Mean"
SCORES, LOGMEL = "Identity", "Identity_1"
SILENCE, SINE, BEEP, WHITE_NOISE, STATIC = 494, 495, 475, 514, 509
"""Classes of YAMNet (yamnet_class_map.csv); a tone of a second is also a beep, and white noise is static."""


def clips(n_clips, n_samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


FILTERS = np.random.default_rng(0).standard_normal((3, 1, 8)).astype(np.float32) / 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A function that writes a model of three filters of 8 samples every 4, and returns its path.

    Outputs: frames (1, 3, time), a map (1, 3, 1, time) and the mean over time (1, 3).
    """
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the models of these tests")
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")
    from onnx import helper, numpy_helper

    def write(n_samples):
        nodes = [
            helper.make_node("Conv", ["sound", "filters"], ["raw"], strides=[4]),
            helper.make_node("Tanh", ["raw"], ["frames"]),
            helper.make_node("Unsqueeze", ["frames", "second"], ["map"]),
            helper.make_node("ReduceMean", ["frames"], ["mean"], axes=[2], keepdims=0),
        ]
        constants = [numpy_helper.from_array(FILTERS, "filters"), numpy_helper.from_array(np.array([2]), "second")]
        given = helper.make_tensor_value_info("sound", FLOAT, [1, 1, n_samples])
        outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("frames", "map", "mean")]
        graph = helper.make_graph(nodes, "filters", [given], outputs, constants)
        path = tmp_path_factory.mktemp("onnx") / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        return path

    return write


@pytest.fixture(scope="module")
def free(model):
    """A model for sounds of any length."""
    return model("n_samples")


def filtered(sound):
    """(n_samples,) -> (time, 3): what the model's frames are by definition."""
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), 8)[::4]
    return np.tanh(frames @ FILTERS[:, 0].T.astype(np.float64))


ALL = ["ndt", "ndbt", "nd"]


def test_outputs_are_layers_and_layouts_put_their_axes_in_place(free):
    encoder, audio = asdcore.load_encoder("onnx", checkpoint=free, sample_rate=8000, layout=ALL), clips(2, 1000)
    assert (encoder.sample_rate, list(encoder.layers)) == (8000, ["frames", "map", "mean"])
    tokens = encoder.encode(audio, encoder.layers)
    expected = np.stack([filtered(clip) for clip in audio])
    assert np.allclose(tokens["frames"].patches[:, :, 0], expected, atol=1e-6)
    assert np.array_equal(tokens["map"].patches, tokens["frames"].patches)
    assert tokens["mean"].patches.shape == (2, 1, 1, 3)
    assert np.allclose(tokens["mean"].patches[:, 0, 0], expected.mean(axis=1), atol=1e-6)
    assert tokens["mean"].patches.dtype == np.float32
    assert list(encoder.encode(audio)) == ["mean"]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("ndt", (1, 249, 1, 3)), ("ntd", (1, 3, 1, 249)), ("nbd", (1, 1, 3, 249)), ("nbt", (1, 249, 3, 1))],
)
def test_axes_that_a_layout_does_not_name_have_length_one(layout, shape, free):
    encoder = asdcore.load_encoder("onnx", checkpoint=free, outputs=["frames"], layout=layout)
    assert encoder.encode(clips(1, 1000))["frames"].patches.shape == shape


@pytest.mark.parametrize(
    ("n_samples", "windows"), [(5, 1), (100, 1), (101, 2), (160, 2), (161, 3), (220, 3)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("fixed", [True, False])
def test_windows_cover_every_sample_and_the_last_one_ends_in_zeros(fixed, n_samples, windows, model, free):
    checkpoint, window = (model(100), {}) if fixed else (free, {"window": 100})
    encoder = asdcore.load_encoder("onnx", checkpoint=checkpoint, hop=60, outputs=["frames"], layout="ndt", **window)
    audio = clips(1, n_samples)
    padded = np.pad(audio[0], (0, 300))
    expected = np.concatenate([filtered(padded[60 * i : 60 * i + 100]) for i in range(windows)])
    assert np.allclose(encoder.encode(audio)["frames"].patches[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("n_samples", [5, 100, 101, 1234])
def test_a_long_recording_is_read_window_by_window_with_the_same_tokens(n_samples, free):
    encoder = asdcore.load_encoder("onnx", checkpoint=free, window=100, hop=60, layout=ALL)
    (clip,) = clips(1, n_samples)
    blocks = list(encoder.encode_blocks(InMemory(clip), ["frames", "mean"]))
    for layer, tokens in encoder.encode(clip[None], ["frames", "mean"]).items():
        assert np.concatenate([block[layer].patches for block in blocks], axis=1).tobytes() == tokens.patches.tobytes()
    assert asdcore.load_encoder("onnx", checkpoint=free, layout=ALL).encode_blocks is None  # its window is the clip


def test_without_a_hop_windows_do_not_overlap(model):
    encoder = asdcore.load_encoder("onnx", checkpoint=model(100), layout=ALL)
    assert encoder.encode(clips(1, 200))["mean"].patches.shape == (1, 2, 1, 3)


def test_outputs_may_be_asked_for_by_place(free):
    encoder, audio = asdcore.load_encoder("onnx", checkpoint=free, outputs=[2, "mean"]), clips(1, 1000)
    tokens = encoder.encode(audio, [2, "mean"])
    assert np.array_equal(tokens[2].patches, tokens["mean"].patches)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0}, "window is 0, hop None: both must be above 0"),
        ({"hop": 50}, "hop, which needs a window, at most it"),
        ({"window": 50, "hop": 51}, "hop 51"),
        ({"outputs": [3]}, "place 3; the model has 3 outputs: frames, map, mean"),
        ({"outputs": []}, "name at least one, and none twice"),
        ({"outputs": ["mean", "mean"]}, "name at least one, and none twice"),
        ({"layout": ["nd"]}, "1 words for 3 outputs: frames, map, mean"),
        ({"layout": "nx"}, "layout is 'nx'; it is made of the letters n, t, b and d"),
        ({"layout": "tt"}, "layout is 'tt'"),
        ({"layout": ""}, "layout is ''"),
        ({"sample_rate": 0}, "sample_rate is 0; it must be above 0"),
    ],
)
def test_bad_parameters(parameters, message, free):
    with pytest.raises(PluginError, match=message):
        asdcore.load_encoder("onnx", checkpoint=free, **parameters)


def test_a_window_other_than_the_models_is_refused(model):
    with pytest.raises(PluginError, match="window is 50; the model hears 100 samples at once, so leave window out"):
        asdcore.load_encoder("onnx", checkpoint=model(100), window=50)


@pytest.mark.parametrize(("output", "layout"), [("map", None), ("mean", "ntd"), ("mean", "dn")])
def test_an_output_that_does_not_go_with_its_layout_is_refused(output, layout, free):
    encoder = asdcore.load_encoder("onnx", checkpoint=free, outputs=[output], layout=layout)
    with pytest.raises(DataError, match=f"output '{output}' has the shape .*, which does not go with the layout"):
        encoder.encode(clips(1, 1000))


def test_unknown_layer_and_no_sound_are_refused(free):
    encoder = asdcore.load_encoder("onnx", checkpoint=free)
    with pytest.raises(ValueError, match=r"has no layer 0; its layers are \['frames', 'map', 'mean'\]"):
        encoder.encode(clips(1, 1000), [0])
    with pytest.raises(DataError, match=r"\(0, 16\) holds no sound"):
        encoder.encode(np.zeros((0, 16), np.float32))


def test_a_clip_too_short_for_the_model_is_refused(free):
    with pytest.raises(DataError, match=r"fails on a waveform of shape \(1, 1, 7\)"):
        asdcore.load_encoder("onnx", checkpoint=free).encode(clips(1, 7))


def test_samples_before_a_last_axis_of_one_channel_are_heard_at_once(lite, tmp_path):
    (tmp_path / "a.tflite").write_bytes(lite.tanh([1, 1, 1], [-1, -1, 1]))
    encoder, audio = asdcore.load_encoder("onnx", checkpoint=tmp_path / "a.tflite"), clips(2, 1000)
    patches = encoder.encode(audio)[encoder.layers[-1]].patches
    assert patches.shape == (2, 1000, 1, 1)
    assert np.allclose(patches[:, :, 0, 0], np.tanh(audio), atol=1e-6)
    encoder = asdcore.load_encoder("onnx", checkpoint=tmp_path / "a.tflite", window=300, layout="ndt")
    assert encoder.encode(audio)[encoder.layers[-1]].patches.shape == (2, 4, 1, 300)


@pytest.mark.parametrize("kind", ["svdf", "lstm"])
def test_a_state_runs_through_a_clip_and_begins_anew_with_the_next(kind, lite, tmp_path):
    (tmp_path / "a.tflite").write_bytes(getattr(lite, kind)())
    encoder, audio = asdcore.load_encoder("onnx", checkpoint=tmp_path / "a.tflite"), clips(3, 80)
    layer = encoder.layers[-1]
    together = encoder.encode(audio)[layer].patches
    alone = [encoder.encode(audio[i : i + 1])[layer].patches for i in (2, 0, 1)]
    assert np.array_equal(together, np.concatenate([alone[1], alone[2], alone[0]]))
    repeated = encoder.encode(np.tile(audio[:, : 16 if kind == "svdf" else 5], 4))[layer].patches
    assert not np.allclose(repeated[:, 0], repeated[:, 1])


def test_a_model_that_draws_random_numbers_is_refused(lite, tmp_path):
    (tmp_path / "a.tflite").write_bytes(lite.random_noise())
    encoder = asdcore.load_encoder("onnx", checkpoint=tmp_path / "a.tflite")
    with pytest.raises(DataError, match=r"a\.tflite gives other outputs for the same sound .* or draws random numbers"):
        encoder.encode(clips(1, 64))


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_a_model_with_a_state_conforms(check, lite, tmp_path):
    (tmp_path / "a.tflite").write_bytes(lite.svdf(window=1600))
    check(lambda: asdcore.load_encoder("onnx", checkpoint=tmp_path / "a.tflite"))


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, free):
    check(lambda: asdcore.load_encoder("onnx", checkpoint=free, window=4000, layout=ALL))


@pytest.fixture
def yamnet(shared):
    """A function that makes an encoder of the real YAMNet."""
    pytest.importorskip("ai_edge_litert", reason="TFLite models run on LiteRT")
    path = shared("weights", "yamnet", "yamnet.tflite")

    def make(*outputs, layout="nd"):
        return asdcore.load_encoder("onnx", checkpoint=path, hop=7680, outputs=list(outputs), layout=layout)

    return make


def test_ten_seconds_of_yamnet_are_20_embeddings_of_1024(yamnet):
    encoder, audio = yamnet(EMBEDDING), clips(2, 160_000)
    embeddings = encoder.encode(audio)[EMBEDDING].patches
    assert embeddings.shape == (2, 20, 1, 1024)
    assert embeddings.min() >= 0.0  # the mean of what a ReLU leaves
    assert embeddings.std() > 0.1
    assert np.array_equal(embeddings, yamnet(EMBEDDING).encode(audio)[EMBEDDING].patches)
    assert np.array_equal(embeddings[1], encoder.encode(audio[1:])[EMBEDDING].patches[0])


def test_yamnet_hears_a_tone_noise_and_silence(yamnet):
    time = np.arange(32_000) / 16000
    sounds = [0.3 * np.sin(2 * np.pi * 1000 * time), clips(1, 32_000)[0], np.zeros(32_000)]
    scores = yamnet(SCORES).encode(np.stack(sounds).astype(np.float32))[SCORES].patches.mean(axis=(1, 2))
    assert scores.shape == (3, 521)
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0
    assert scores[0].argmax() in (SINE, BEEP)
    assert scores[1].argmax() in (WHITE_NOISE, STATIC)
    assert scores[2].argmax() == SILENCE
    assert scores[2, SILENCE] > 0.99


def test_yamnets_log_mel_is_loudest_where_the_tone_is(yamnet):
    # 64 triangles evenly on the HTK mel scale from 125 to 7500 Hz: 1000 Hz lies between the peaks of the 20th and 21st.
    mel = 1127 * np.log1p(np.array([125, 7500, 1000]) / 700)
    place = (mel[2] - mel[0]) / (mel[1] - mel[0]) * 65 - 1
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(15_600) / 16000)
    bands = yamnet(LOGMEL, layout="tb").encode(tone[None].astype(np.float32))[LOGMEL].patches
    assert bands.shape == (1, 96, 64, 1)
    assert set(bands[0, :, :, 0].argmax(axis=1)) <= {int(place), int(place) + 1}


def test_asking_yamnet_for_more_changes_nothing(yamnet):
    audio = clips(1, 20_000)
    alone = yamnet(SCORES).encode(audio)[SCORES].patches
    tokens = yamnet(EMBEDDING, SCORES).encode(audio, [EMBEDDING, SCORES])
    assert np.array_equal(tokens[SCORES].patches, alone)
