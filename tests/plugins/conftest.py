"""What the tests of encoders share: the formulas behind the golden files, and weights to try a network with.

``tests/golden/encoders`` has a folder for each case: what the authors' code makes of a waveform and of weights that are
formulas of their names, so that neither need be stored.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "encoders"


def _noise(name: str, n: int, seed: int) -> np.ndarray:
    """(n,) float64 in [-1, 1): murmur3's last step of a counter, which begins at the CRC-32 of seed and name."""
    value = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(zlib.crc32(f"{seed}:{name}".encode()))
    value ^= value >> np.uint32(16)
    value *= np.uint32(0x85EBCA6B)
    value ^= value >> np.uint32(13)
    value *= np.uint32(0xC2B2AE35)
    value ^= value >> np.uint32(16)
    return value / 2.0**31 - 1.0


def _wave(seed: int, n_samples: int, sample_rate: int, n_clips: int = 2) -> np.ndarray:
    """(n_clips, n_samples) float32: in each clip a tone, a sweep, and noise that is loud every other quarter second."""
    time = np.arange(n_samples) / sample_rate
    clips = []
    for clip in range(n_clips):
        tone = np.sin(2 * np.pi * (220.0 * (clip + 1) + 7.0 * seed) * time)
        start, rate = 500.0 + 300.0 * clip, 1500.0 - 400.0 * clip
        sweep = np.sin(2 * np.pi * (start * time + 0.5 * rate * time * time))
        loud = 0.3 + 0.7 * (np.floor(time * 4) % 2)
        clips.append(0.3 * tone + 0.2 * sweep + 0.1 * loud * _noise(f"wave{clip}", n_samples, seed))
    return np.stack(clips).astype(np.float32)


def _formula(name: str, shape: tuple[int, ...], seed: int, fill: dict) -> np.ndarray:
    """The value of a tensor: the first rule whose ending fits its name, or a fan-in scaled weight, or a small bias."""
    noise = _noise(name, math.prod(shape), seed).reshape(shape)
    fan = math.sqrt(3.0 / math.prod(shape[1:]))
    for ending, kind, a, b in fill["rules"]:
        if name.endswith(ending):
            return (a + b * noise if kind == "affine" else noise * a * fan).astype(np.float32)
    return (noise * fill["default_gain"] * fan if len(shape) > 1 else 0.1 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def golden():
    """A function that returns a path below tests/golden/encoders."""
    return GOLDEN.joinpath


@pytest.fixture(scope="session")
def wave():
    """A function that makes the waveforms of a golden case: wave(seed, n_samples, sample_rate)."""
    return _wave


@pytest.fixture(scope="session")
def formula():
    """A function that makes one tensor of a golden case: formula(name, shape, seed, fill)."""
    return _formula


@pytest.fixture(scope="session")
def formula_state():
    """A function that makes the state dictionary of a case, but for its fixed tensors, and checks every CRC-32."""
    import torch

    def make(case: str) -> dict[str, torch.Tensor]:
        config = json.loads((GOLDEN / case / "config.json").read_text())
        shapes = json.loads((GOLDEN / case / "keys.json").read_text())["keys"]
        state = {}
        for name, shape in shapes.items():
            if name.startswith(("spectrogram_extractor.", "logmel_extractor.")):
                continue
            if name.endswith("num_batches_tracked"):
                state[name] = torch.zeros(shape, dtype=torch.int64)
                continue
            values = _formula(name, tuple(shape), config["seed"], config["fill"])
            assert zlib.crc32(values.tobytes()) == config["crc32_of_float32_le_bytes"][name], name
            state[name] = torch.from_numpy(values)
        return state

    return make


@pytest.fixture(scope="session")
def random_state():
    """A function that gives every tensor of a module drawn values that keep its outputs in a sensible range."""
    import torch

    def make(module: torch.nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
        draw = torch.Generator().manual_seed(seed)
        state = {}
        for name, like in module.state_dict().items():
            if not like.is_floating_point():
                state[name] = torch.zeros(like.shape, dtype=like.dtype)
                continue
            noise = torch.rand(like.shape, generator=draw) * 2.0 - 1.0
            spread = math.sqrt(6.0 / math.prod(like.shape[1:])) if like.ndim > 1 else 0.2
            state[name] = noise * spread + (name.endswith(("running_var", "weight")) and like.ndim < 2)
        return state

    return make


@pytest.fixture(scope="session")
def lite():
    """Functions that write small TFLite models, as bytes; see lite_models.py."""
    for needed in ("flatbuffers", "ai_edge_litert.schema_py_generated"):
        pytest.importorskip(needed, reason="TFLite models are written by flatbuffers and run on LiteRT")
    import importlib.util

    spec = importlib.util.spec_from_file_location("lite_models", Path(__file__).with_name("lite_models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
