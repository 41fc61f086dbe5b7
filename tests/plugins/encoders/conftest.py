"""What tests of encoders share: the same bits alone and together, the authors' token order, spoilt checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import asdcore
from asdcore import DataError, Tokens

FOLDER = Path(__file__).parents[2] / "golden" / "encoders"
CHECKPOINTS = {
    "audiomae": ("audiomae/checkpoint_pretrained.pth", {"num_heads": 4}),
    "beats": ("beats/checkpoint_pretrained.pt", {}),
    "ced_audio": ("ced/hf", {"num_heads": 4}),
    "dasheng": ("dasheng/checkpoint.pt", {"num_heads": 4}),
    "eat": ("eat/hf_finetune", {"num_heads": 4, "target_length": 256}),
    "echo": ("echo/model.safetensors", {"num_heads": 4}),
    "fisher": ("fisher/model.pt", {}),
    "passt": ("passt/checkpoint.pt", {"num_heads": 4}),
}
"""Encoders of which the repository holds a small checkpoint."""


def _golden_parameters(name: str) -> dict[str, object]:
    """Return the parameters with which an encoder reads its small checkpoint."""
    file, parameters = CHECKPOINTS[name]
    return {"checkpoint": FOLDER / file, **parameters}


def _sequence(tokens, *, band_first: bool = False) -> np.ndarray:
    """Tokens, or (patches, special) of torch -> (n_clips, special + patches, dim) in the order of the authors."""
    patches, special = (tokens.patches, tokens.special) if isinstance(tokens, Tokens) else tokens
    patches, special = (part.numpy() if torch.is_tensor(part) else part for part in (patches, special))
    patches = patches.swapaxes(1, 2) if band_first else patches
    patches = patches.reshape(len(patches), -1, patches.shape[-1])
    return patches if special is None else np.concatenate([special, patches], axis=1)


def _layer_name(layer: int) -> str:
    """What the golden files call an integer layer."""
    return f"layer_{layer:02d}" if layer else "layer_00_input"


def _check_layers(found, expected, tolerance: float, *, names=None, clips=slice(None), band_first=False) -> None:
    """Tokens must be within a tolerance of those in a golden file, which may have other names for some layers."""
    for layer, tokens in found.items():
        right = expected[(names or {}).get(layer) or _layer_name(layer)][clips]
        assert np.abs(_sequence(tokens, band_first=band_first) - right).max() < tolerance, layer


def _check_alone(encoder, audio: np.ndarray) -> None:
    """Every clip must have the same tokens alone as with the others, to the last bit, in every layer."""
    together = encoder.encode(audio, encoder.layers)
    for i in range(len(audio)):
        alone = encoder.encode(audio[i : i + 1], encoder.layers)
        for layer in encoder.layers:
            assert np.array_equal(alone[layer].patches[0], together[layer].patches[i]), layer
            if together[layer].special is not None:
                assert np.array_equal(alone[layer].special[0], together[layer].special[i]), layer


def _ran(encoder, audio, layers) -> list[int]:
    """Numbers of the blocks, from 1, that run when these layers are asked for."""
    ran: list[int] = []
    blocks = list(encoder.model.blocks)
    hooks = [block.register_forward_hook(lambda *_, k=k: ran.append(k)) for k, block in enumerate(blocks, start=1)]
    encoder.encode(audio, layers)
    for hook in hooks:
        hook.remove()
    return ran


def _check_refusals(build, state) -> None:
    """``build`` must refuse a state dictionary without any one tensor, with any one misshapen, or with one more."""
    build(state)
    for name, tensor in state.items():
        with pytest.raises(DataError) as refused:
            build({other: value for other, value in state.items() if other != name})
        assert name in str(refused.value)
        with pytest.raises(DataError) as refused:
            build(state | {name: torch.cat([tensor[None], tensor[None]])})
        assert name in str(refused.value)
    with pytest.raises(DataError, match=r"unexpected \(1\): blocks\.0\.attn\.extra"):
        build(state | {"blocks.0.attn.extra": torch.zeros(2)})


class _KeptTraining:
    """Keeps what a training gives it; ``until`` stops it after so many epochs, as a kill would."""

    device = None

    def __init__(self, kept=None, until=None):
        self.kept, self.until, self.notes, self.costs, self.shown = kept, until, [], [], []

    def resume(self):
        return self.kept

    def keep(self, epoch, epochs, state, loss):
        self.kept = epoch, state
        if epoch == self.until:
            raise KeyboardInterrupt

    def step(self, done, of, loss):
        self.shown.append((done, of))

    def cost(self, steps, seconds_per_step):
        self.costs.append((steps, seconds_per_step))

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="session")
def golden_parameters():
    """A function that returns the parameters, by its name, with which an encoder reads its small checkpoint."""
    return _golden_parameters


@pytest.fixture(scope="session")
def kept_training():
    """A training that keeps its epochs in memory: kept_training(kept=None, until=None)."""
    return _KeptTraining


@pytest.fixture
def check_same_bits(threads):
    """A function that encodes five clips alone, together, on two threads and in another memory layout."""

    def check(encode, audio: np.ndarray) -> None:
        alone = np.concatenate([encode(audio[i : i + 1]) for i in range(5)])
        with threads(2):
            assert np.array_equal(encode(audio[[3, 1, 1, 4]]), alone[[3, 1, 1, 4]])
        assert np.array_equal(encode(np.asfortranarray(audio)), alone)

    return check


@pytest.fixture
def check_misfit(tmp_path):
    """A function that spoils a folder of the transformers library, which the encoder must refuse with both names."""

    def check(encoder: str, folder: Path, network: str, *, missing: str, unexpected: str) -> None:
        spoilt = tmp_path / "spoilt"
        spoilt.mkdir()
        (spoilt / "config.json").write_text((folder / "config.json").read_text())
        state = load_file(folder / "model.safetensors")
        del state[missing]
        save_file(state | {unexpected: torch.zeros(1)}, spoilt / "model.safetensors")
        with pytest.raises(DataError, match=f"read as {network}, does not fit") as refused:
            asdcore.load_encoder(encoder, checkpoint=spoilt)
        assert f"missing (1): {missing}" in str(refused.value)
        assert f"unexpected (1): {unexpected}" in str(refused.value)

    return check


@pytest.fixture(scope="module")
def expected(request):
    """What the authors' code gives, by name: the golden file that the test module names as EXPECTED."""
    return dict(np.load(request.module.EXPECTED))


@pytest.fixture(scope="module")
def audio(request, wave):
    """The two waveforms of a golden case: the seed, samples and sample rate that the test module names as WAVES."""
    return wave(*request.module.WAVES)


@pytest.fixture(scope="module")
def encoder(request):
    """The encoder of the golden files: what ``load`` of the test module builds."""
    return request.module.load()


@pytest.fixture(scope="module")
def case(request, wave):
    """Encoder, two clips and what the authors' code gives, at a sample rate: ``RATES`` of the test module has them."""
    module, rate = request.module, request.param
    clips = wave(module.SEED, module.RATES[rate], rate)
    return module.load(sample_rate=rate), clips, dict(np.load(module.GOLDEN / f"expected_{rate}.npz"))


@pytest.fixture(scope="session")
def sequence():
    """A function that puts the tokens of a layer into the order of the authors' code."""
    return _sequence


@pytest.fixture(scope="session")
def layer_name():
    """A function that returns the name of an integer layer in the golden files."""
    return _layer_name


@pytest.fixture(scope="session")
def check_layers():
    """A function that compares layers with a golden file."""
    return _check_layers


@pytest.fixture(scope="session")
def check_alone():
    """A function that encodes every clip alone and with the others."""
    return _check_alone


@pytest.fixture(scope="session")
def ran():
    """A function that returns which blocks of an encoder run for the layers asked for."""
    return _ran


@pytest.fixture(scope="session")
def check_refusals():
    """A function that spoils every tensor of a state dictionary in turn."""
    return _check_refusals
