"""How the reference values of trained systems are packed: formulas for weights, samples for large arrays."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest


def _noise(name: str, n: int, seed: int) -> np.ndarray:
    """(n,) float64 in [-1, 1): murmur3's last step of a counter, which begins at the CRC-32 of seed and name."""
    value = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(zlib.crc32(f"{seed}:{name}".encode()))
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value ^= value >> np.uint32(shift)
        value *= np.uint32(factor)
    return value / 2.0**31 - 1.0


def _checked(values: np.ndarray, crc32: int) -> np.ndarray:
    """Float32 values of a formula, or a failure if they are not those meant."""
    values = np.ascontiguousarray(values, "<f4")
    assert zlib.crc32(values.tobytes()) == crc32
    return values


class Packed:
    """The arrays of a file in which a large one is kept as samples and sums."""

    def __init__(self, path: Path) -> None:
        self._file = np.load(path)
        self.keys = sorted({name.split("__")[0] for name in self._file.files})

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def __getitem__(self, key: str) -> np.ndarray:
        """A whole array, or a number."""
        return self._file[key]

    def picked(self, key: str, values) -> tuple[np.ndarray, np.ndarray]:
        """What the file holds of an array, and the same places of ``values``."""
        values = np.asarray(values)
        if key in self._file.files:
            expected = self._file[key]
            assert values.shape == expected.shape, key
            return expected.astype(np.float64).ravel(), values.astype(np.float64).ravel()
        assert values.shape == tuple(self._file[f"{key}__shape"]), key
        expected = self._file[f"{key}__samples"]
        places = (np.arange(len(expected), dtype=np.int64) * 1000003) % values.size
        _total, squares, least, most = self._file[f"{key}__stats"]
        # Extremes and power show errors between the samples.
        extremes = np.array([values.min(), values.max()])
        assert np.abs(extremes - [least, most]).max() <= 1e-3 * (most - least) + 1e-6, key
        assert np.square(values, dtype=np.float64).sum() == pytest.approx(squares, rel=2e-3, abs=1e-9), key
        return expected.astype(np.float64), values.ravel()[places].astype(np.float64)


class Case:
    """A folder of reference values: its configuration, inputs, expectations and tolerances."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self._json("config.json")
        self.tolerance = self._json("tolerance.json")
        self.input = dict(np.load(folder / "input.npz")) if (folder / "input.npz").exists() else {}
        self.expected = Packed(folder / "expected.npz")

    def _json(self, name: str):
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None

    def dynamic(self):
        """The steps of a scale that follows the training."""
        return self._json("expected_dynamic.json")

    def weights(self, prefix: str) -> dict[str, np.ndarray]:
        """Stored and formula weights whose names begin with a prefix, which is taken off."""
        stored = dict(np.load(self.folder / "weights.npz"))
        formulas = self.config.get("weights_by_formula") or self.config.get("weights") or {}
        for name, what in formulas.items():
            if name not in stored:
                stored[name] = _checked(self._formula(name, what), what["crc32"])
        return {name.removeprefix(prefix): values for name, values in stored.items() if name.startswith(prefix)}

    def _formula(self, name: str, what) -> np.ndarray:
        shape, called = what["shape"], what["formula"].split("'")[1]
        fan = math.prod(shape[1:]) + shape[0] * shape[2] if len(shape) == 3 else sum(shape)
        noise = _noise(called, math.prod(shape), self.config["seed"])
        return (noise * math.sqrt(6.0 / fan)).reshape(shape)


@pytest.fixture
def golden(shared):
    """A function: parts of a path below the reference values -> the case there, or the test is skipped."""
    return lambda *parts: Case(shared("golden", "trained", *parts))


@pytest.fixture(scope="session")
def noise():
    """The values of golden formulas."""
    return _noise


@pytest.fixture(scope="session")
def packed():
    """Packed arrays of a file."""
    return Packed


@pytest.fixture(scope="session")
def checked():
    """Float32 values, if they have a CRC-32."""
    return _checked
