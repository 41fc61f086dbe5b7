"""Pseudo-faults: sounds that machines of many kinds make when they fail, without the machine.

They are what the faults of the synthetic machines are made of. ``heard`` lets one reach the near and the far microphone
through a room of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asdcore.data.synth.acoustics import Noise, block_length, hear_machine
from asdcore.data.synth.signals import (
    SAMPLE_RATE,
    Harmonics,
    Samples,
    bursts,
    noise,
    random_times,
    rings,
    shaft_phase,
    squeals,
    strikes,
)

Fault = Callable[[np.random.Generator, int], Samples]

_ROOMS = 8
"""Rooms that faults are heard in: few, so that their transfer functions are kept."""


def _impacts(rng: np.random.Generator, n_samples: int) -> Samples:
    """A bearing defect: slipping strikes, 30 to 150 a second, that ring a housing."""
    phase = shaft_phase(rng, rng.uniform(10, 30), n_samples, drift=0.005)
    hits = strikes(rng, phase, rng.uniform(3, 5), slip=0.015)
    return rings(hits, 1.0, n_samples, rng.uniform(1500, 5000), 0.04)


def _knocks(rng: np.random.Generator, n_samples: int) -> Samples:
    """Something loose: irregular knocks, 6 a second and no fewer than 3, low and dull."""
    times = np.append(random_times(rng, n_samples, 6), np.array([0.1, 0.4, 0.8]) * n_samples)
    return rings(times, rng.uniform(0.5, 1, len(times)), n_samples, rng.uniform(300, 1200), 0.06)


def _hiss(rng: np.random.Generator, n_samples: int) -> Samples:
    """A leak: steady noise, high and broad."""
    return noise(rng, n_samples, 0.0, rng.uniform(3500, 6500), 1.5)


def _squeal(rng: np.random.Generator, n_samples: int) -> Samples:
    """Stick and slip: intermittent chirps on a faint steady one."""
    pitch = rng.uniform(1500, 5000)
    steady = np.sin(np.arange(n_samples) * (2 * np.pi * pitch / SAMPLE_RATE))
    sound: Samples = squeals(rng, n_samples, pitch) + 0.1 * steady
    return sound


def _hum(rng: np.random.Generator, n_samples: int) -> Samples:
    """Imbalance and looseness: 8 harmonics of a shaft."""
    phase = shaft_phase(rng, rng.uniform(20, 60), n_samples, drift=0.004)
    return Harmonics(rng, (1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2))(rng, phase)


def _churn(rng: np.random.Generator, n_samples: int) -> Samples:
    """Cavitation: noise in bursts over a little that is steady."""
    flow = 0.1 + bursts(rng, n_samples, per_second=8, seconds=0.12)
    return flow * noise(rng, n_samples, 0.0, rng.uniform(1500, 4500), 3.0)


FAULTS: dict[str, Fault] = {
    "impacts": _impacts,
    "knocks": _knocks,
    "hiss": _hiss,
    "squeal": _squeal,
    "hum": _hum,
    "churn": _churn,
}


def heard(fault: str, rng: np.random.Generator, n_samples: int) -> Samples:
    """Return (2, n_samples) at 16 kHz of a pseudo-fault at the near and the far microphone of some room."""
    dry = FAULTS[fault](rng, block_length(n_samples))
    return hear_machine(dry, int(rng.integers(_ROOMS)), "probe", "source", Noise().drr_db, n_samples)
