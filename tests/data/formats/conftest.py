"""What tests of loggers' files share: one signal, and what must come back of it."""

from __future__ import annotations

import numpy as np
import pytest

RATE = 25600


@pytest.fixture(scope="session")
def signal():
    """Half a second of vibration at 25.6 kHz, beyond [-1, 1] as accelerations are."""
    return 9.81 + 3 * np.random.default_rng(0).standard_normal(RATE // 2)
