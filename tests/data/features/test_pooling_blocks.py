"""Tokens that are pooled from a file, a few bands at a time, give the features of tokens in memory, to the bit."""

from __future__ import annotations

import io

import numpy as np
import pytest

from asdcore.data.features import pooling_blocks
from asdcore.data.features.pooling import POOLINGS, pool
from asdcore.data.features.pooling_blocks import SpooledTokens, pool_spooled
from asdcore.errors import DataError

SHAPES = [(1, 5, 1), (999, 128, 1), (777, 7, 3), (1234, 1, 1), (1234, 1, 5), (50, 2, 1)]
NAMES = sorted(set(POOLINGS) - {"cls"})


def spooled(patches: np.ndarray, block: int = 100) -> SpooledTokens:
    tokens = SpooledTokens(io.BytesIO())
    for start in range(0, len(patches), block):
        tokens.append(patches[start : start + block])
    return tokens


@pytest.mark.parametrize("at_once", [64, 1000, 1 << 22])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_file_is_pooled_as_an_array(shape, name, at_once, monkeypatch):
    monkeypatch.setattr(pooling_blocks, "AT_ONCE", at_once)
    patches = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for parameters in ({}, {"clean_up": True}):
        expected = pool(name, patches, **parameters)
        assert pool_spooled(name, spooled(patches), **parameters).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_tokens_that_are_not_finite_are_refused(name, monkeypatch):
    monkeypatch.setattr(pooling_blocks, "AT_ONCE", 64)
    patches = np.ones((100, 4, 1), np.float32)
    patches[70, 2] = np.nan
    with pytest.raises(DataError, match="not finite"):
        pool_spooled(name, spooled(patches))


def test_blocks_of_other_bands_are_refused():
    tokens = spooled(np.ones((10, 4, 1), np.float32))
    with pytest.raises(DataError, match=r"change from \(4, 1\) to \(5, 1\)"):
        tokens.append(np.ones((10, 5, 1), np.float32))
