"""What tests of dataset readers share: clips of a few samples, laid where a reader looks for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile


def _wav(path: Path, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.full((400, channels), 0.1)
    soundfile.write(path, samples, 16000, format="FLAC" if path.suffix.lower() == ".flac" else "WAV")


def _lay(root: Path, *clips: str, channels: int = 1) -> Path:
    for clip in clips:
        _wav(root / clip, channels)
    return root


@pytest.fixture(scope="session")
def wav():
    """A function that writes a clip of 400 samples."""
    return _wav


@pytest.fixture(scope="session")
def lay():
    """A function that writes clips of these names below a folder, and returns the folder."""
    return _lay
