"""What tests of views share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def check_same_bits(threads):
    """A function that applies a view on one thread and on two, and to another memory layout."""

    def check(view, audio: np.ndarray) -> None:
        before, waveforms = audio.copy(), []
        for n in (1, 2):
            with threads(n):
                waveforms.append(view(audio))
        assert np.array_equal(*waveforms)
        assert np.array_equal(waveforms[0], view(np.asfortranarray(audio)))
        assert np.array_equal(audio, before)

    return check
