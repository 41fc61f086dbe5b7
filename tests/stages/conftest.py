"""What tests of stages share: the clip index of made-up clips."""

from __future__ import annotations

import hashlib

import polars as pl
import pytest


def _digest(i: int) -> str:
    """The audio digest of a made-up clip."""
    return hashlib.sha256(str(i).encode()).hexdigest()


def _index(source: int = 10, target: int = 3, test: int = 4) -> pl.DataFrame:
    """The clips of one machine: train clips 0, 1, ..., those of the source first, and test clips 1000, 1001, ...."""
    rows = [
        (f"m/train/{i:03}.wav", "m", "00", "train", "source" if i < source else "target", _digest(i))
        for i in range(source + target)
    ]
    rows += [(f"m/test/{i:03}.wav", "m", "00", "test", None, _digest(1000 + i)) for i in range(test)]
    names = ["clip", "machine", "section", "split", "domain", "sha256"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


@pytest.fixture(scope="session")
def digest():
    """A function that makes the audio digest of a clip, from its number."""
    return _digest


@pytest.fixture(scope="session")
def index():
    """A function that makes the clip index of one machine: index(source, target, test)."""
    return _index
