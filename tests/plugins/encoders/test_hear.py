"""Any module with the HEAR API as an encoder."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest

import asdcore
from asdcore import DataError, PluginError
from asdcore.testing import checks

MODULE = '''
from pathlib import Path

import torch


class Model(torch.nn.Module):
    sample_rate = 8000
    scene_embedding_size = 6
    timestamp_embedding_size = 3

    def __init__(self, gain):
        super().__init__()
        self.filters = torch.nn.Conv1d(1, 3, 400, stride=160, padding=200)
        self.drop = torch.nn.Dropout(0.5)
        generator = torch.Generator().manual_seed(0)
        for value in self.parameters():
            value.data = gain * torch.randn(value.shape, generator=generator) / 20


def load_model(model_file_path=""):
    return Model(float(Path(model_file_path).read_text()) if model_file_path else 1.0)


def get_timestamp_embeddings(audio, model):
    """audio: n_sounds x n_samples -> n_sounds x n_timestamps x 3, n_sounds x n_timestamps in milliseconds."""
    frames = model.drop(model.filters(audio[:, None]).tanh()).transpose(1, 2)
    return frames, torch.arange(frames.shape[1]).repeat(len(audio), 1) * 20.0


def get_scene_embeddings(audio, model):
    frames, _ = get_timestamp_embeddings(audio, model)
    return torch.cat([frames.mean(1), frames.std(1, unbiased=False)], dim=1)
'''


@pytest.fixture
def hear(tmp_path, monkeypatch):
    """A function that writes a module with the HEAR API, changed or not, and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name="own_hear", old="", new=""):
        assert old in MODULE
        (tmp_path / f"{name}.py").write_text(MODULE.replace(old, new))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def clips(n_clips, n_samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_clips, n_samples))).astype(np.float32)


STATES = {
    "a buffer": (
        "    return frames, torch.arange",
        "    model.seen = getattr(model, 'seen', 0.0) + frames.mean()\n    return frames + model.seen, torch.arange",
    ),
    "random numbers": ("model.filters(audio[:, None])", "model.filters(audio[:, None] + torch.randn(1))"),
    "dropout that evaluation does not end": ("model.drop(", "torch.nn.functional.dropout("),
    "its own memory": (
        "    frames = model",
        "    HEARD.append(audio.mean())\n    audio = audio - sum(HEARD) / len(HEARD)\n    frames = model",
    ),
}


@pytest.mark.parametrize("layer", ["scene", "timestamp"])
@pytest.mark.parametrize("state", STATES)
def test_a_module_that_remembers_the_clip_before_is_refused(state, layer, hear):
    encoder = asdcore.load_encoder("hear", module=hear("stateful", *STATES[state]))
    sys.modules["stateful"].HEARD = []
    with pytest.raises(DataError, match=r"HEAR module 'stateful' gives other outputs for the same sound"):
        encoder.encode(clips(1, 8000), [layer])


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_model_in_torchscript_is_run(freeze, hear, tmp_path):
    import torch

    plain = asdcore.load_encoder("hear", module=hear())
    script = torch.jit.script(plain.model.filters)
    (torch.jit.freeze(script) if freeze else script).save(tmp_path / "filters.pt")
    load = "    model = torch.jit.load(MODEL)\n    model.sample_rate = 8000\n    return model\n    return Model"
    name = hear("scripted", "    return Model", load)
    path = tmp_path / "scripted.py"
    text = path.read_text().replace("model.drop(model.filters(audio[:, None]).tanh())", "model(audio[:, None]).tanh()")
    path.write_text(f"MODEL = {str(tmp_path / 'filters.pt')!r}\n{text}")
    scripted, audio = asdcore.load_encoder("hear", module=name), clips(2, 8000)
    assert isinstance(scripted.model, torch.jit.ScriptModule)
    for layer in ("scene", "timestamp"):
        found, expected = (one.encode(audio, [layer])[layer].patches for one in (scripted, plain))
        assert np.allclose(found, expected, atol=1e-6)


def test_scene_and_timestamp_embeddings_are_the_modules_own(hear):
    import torch

    encoder = asdcore.load_encoder("hear", module=hear())
    assert (encoder.sample_rate, list(encoder.layers)) == (8000, ["scene", "timestamp"])
    audio = clips(2, 8000)
    tokens = encoder.encode(audio, ["scene", "timestamp"])
    module = sys.modules["own_hear"]
    frames, times = module.get_timestamp_embeddings(torch.from_numpy(audio), encoder.model)
    assert tokens["timestamp"].patches.shape == (2, times.shape[1], 1, 3)
    assert np.allclose(tokens["timestamp"].patches[:, :, 0], frames.numpy(), atol=1e-6)
    scene = module.get_scene_embeddings(torch.from_numpy(audio), encoder.model)
    assert tokens["scene"].patches.shape == (2, 1, 1, 6)
    assert np.allclose(tokens["scene"].patches[:, 0, 0], scene.numpy(), atol=1e-6)
    assert list(encoder.encode(audio)) == ["timestamp"]


def test_the_checkpoint_reaches_load_model(hear, tmp_path):
    (tmp_path / "gain.txt").write_text("0")
    encoder = asdcore.load_encoder("hear", module=hear(), checkpoint=tmp_path / "gain.txt")
    assert not encoder.encode(clips(1, 8000))["timestamp"].patches.any()


def test_a_checkpoint_that_is_not_there_is_refused_before_anything_is_imported(tmp_path):
    from asdcore_plugins.encoders.hear import Hear

    with pytest.raises(DataError, match="There is no checkpoint .*gone for the HEAR module 'no_such_module'"):
        Hear("no_such_module", checkpoint=tmp_path / "gone")


def test_a_module_that_is_not_installed_is_named(hear):
    with pytest.raises(PluginError, match="There is no module 'no_such_module'.* Install the package"):
        asdcore.load_encoder("hear", module="no_such_module")
    with pytest.raises(
        PluginError, match="There is no module 'no_such_library', which the HEAR encoder 'own_hear' needs"
    ):
        asdcore.load_encoder("hear", module=hear(old="import torch\n", new="import no_such_library\n"))


def test_a_module_without_the_api_is_refused():
    with pytest.raises(
        PluginError, match="'json' has no HEAR API: it lacks load_model, get_scene_embeddings, get_time"
    ):
        asdcore.load_encoder("hear", module="json")


@pytest.mark.parametrize(
    ("old", "new", "layer", "message"),
    [
        (
            "return frames, torch",
            "return frames[0], torch",
            "timestamp",
            r"embeddings \(51, 3\).*asks for \(1, time, dim\)",
        ),
        ("* 20.0", "* 0.0", "timestamp", r"timestamps \(1, 51\) for one clip; the API asks for rising, \(1, 51\)"),
        ("repeat(len(audio), 1)", "repeat(2, 1)", "timestamp", r"timestamps \(2, 51\)"),
        ("dim=1)", "dim=1)[0]", "scene", r"get_scene_embeddings .* embeddings \(6,\) .* asks for \(1, dim\)"),
        ("dim=1)", "dim=1)[:, :0]", "scene", r"embeddings \(1, 0\)"),
    ],
)
def test_what_the_api_does_not_allow_is_refused(old, new, layer, message, hear):
    encoder = asdcore.load_encoder("hear", module=hear(old=old, new=new))
    with pytest.raises(PluginError, match=message):
        encoder.encode(clips(1, 8000), [layer])


def test_unknown_layer_and_no_sound_are_refused(hear):
    encoder = asdcore.load_encoder("hear", module=hear())
    with pytest.raises(ValueError, match=r"own_hear has no layer 0; its layers are \['scene', 'timestamp'\]"):
        encoder.encode(clips(1, 8000), [0])
    with pytest.raises(DataError, match=r"\(1, 0\) holds no sound"):
        encoder.encode(np.zeros((1, 0), np.float32))


def test_same_bits_whatever_clips_are_encoded_together(hear):
    encoder, audio = asdcore.load_encoder("hear", module=hear()), clips(4, 5000)
    for layer in encoder.layers:
        alone = [encoder.encode(clip[None], [layer])[layer].patches for clip in audio]
        assert np.array_equal(encoder.encode(audio, [layer])[layer].patches, np.concatenate(alone))


def test_an_encoder_can_be_copied(hear):
    encoder, audio = asdcore.load_encoder("hear", module=hear()), clips(1, 5000)
    tokens = [one.encode(audio)["timestamp"].patches for one in (encoder, copy.deepcopy(encoder))]
    assert np.array_equal(*tokens)


@pytest.mark.parametrize("check", checks("encoder").values(), ids=checks("encoder"))
def test_conforms(check, hear):
    name = hear()
    check(lambda: asdcore.load_encoder("hear", module=name))
